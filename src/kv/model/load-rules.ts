/** Which stored tokens an engine would load; what it would not load is not worth listing. */
import type { ModelProfile } from "./profile.ts";

export type LoadRules = Pick<ModelProfile, "pageSize" | "loadThreshold">;

/** Of `tokens` stored from the start of a prompt, how many are loaded: whole pages, and 0 unless above the threshold. */
export function usableTokens(tokens: number, rules: LoadRules): number {
  const paged = tokens - (tokens % rules.pageSize);
  return paged > rules.loadThreshold ? paged : 0;
}
