import type { MatchRequest } from "../catalog.ts";
import type { PromptIndex } from "./prompt-index.ts";
import { isPlannable, type Setting, type Settings } from "./settings.ts";
import type { PlanRequest, UnplannedReason } from "./turn-plan.ts";

/** What a plan is about, and what it looks for. */
export interface Sought {
  readonly setting: Setting;
  readonly index: PromptIndex;
  readonly match: Omit<MatchRequest, "locations">;
}

/** Hashes all of the prompt that was not hashed for the one before. */
export async function seek(
  request: PlanRequest,
  settings: Settings,
): Promise<Sought | UnplannedReason> {
  const { session } = request;
  const setting = await settings.settingOf(session);
  if (typeof setting === "string") return setting;
  if (!isPlannable(request, setting)) return "other_model";
  const prefixes = await settings.prefixesOf(setting);
  const prompt = { sequence: request.prompt, output: [] };
  const index = await settings.indexOf(prompt, setting, prefixes);
  return { setting, index, match: { session, prompt: index.view, rules: setting.model.rules } };
}
