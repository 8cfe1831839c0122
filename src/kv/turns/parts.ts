/** How much a turn reserves, and in which parts. */
import { SEGMENT_TOKENS_LIMIT } from "../model/profile.ts";

export interface FreshTokens {
  readonly promptTokens: number;
  /** What the engine is given to load: whole pages, and less than the prompt. */
  readonly storedTokens: number;
  readonly maxNewTokens: number;
  readonly pageSize: number;
  /** Of all parts together. */
  readonly limitTokens: number;
  /**
   * Two parts, the first ending with the last whole page of the prompt, so that a regenerated answer or an edit of it loses the
   * answer alone.
   */
  readonly cutAtPrompt: boolean;
}

/**
 * Tokens of each part, in order; empty when there is nothing to store. What the limit cuts off the engine computes and does not
 * store. All ends are whole pages, since an engine stores whole pages, and one cut short by its reservation would be useless.
 */
export function partsOf(fresh: FreshTokens): number[] {
  const { promptTokens, storedTokens, maxNewTokens, pageSize, limitTokens } = fresh;
  const limit = Math.min(limitTokens, SEGMENT_TOKENS_LIMIT);
  const wanted = Math.min(promptTokens + maxNewTokens, storedTokens + limit);
  const end = wanted - (wanted % pageSize);
  const cut = promptTokens - (promptTokens % pageSize);
  const cuts = fresh.cutAtPrompt && cut < end ? [cut] : [];
  const ends = [storedTokens, ...cuts, end];
  return ends.slice(1).flatMap((until, index) => {
    const tokens = until - (ends[index] ?? 0);
    return tokens > 0 ? [tokens] : [];
  });
}
