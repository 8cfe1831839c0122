import type { Prompt } from "../dialects/dialect.ts";
import type { SnapshotPrompt } from "../snapshots/snapshot-prompt.ts";
import type { TokenGuess } from "../tokens/token-guess.ts";

/** About how many tokens a prompt has: ids are counted, and nobody but the engine tokenises the rest. */
export function promptTokensOf(
  prompt: Prompt,
  { bytes }: SnapshotPrompt,
  guess: Pick<TokenGuess, "of">,
): number {
  return prompt.kind === "ids" ? prompt.ids.length : guess.of(bytes.length);
}
