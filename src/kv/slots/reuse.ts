/** How much of a prompt a slot's resident spares. Pure. */
import type { SnapshotPrompt } from "../snapshots/snapshot-prompt.ts";
import type { SeatRequest } from "./seat.ts";
import type { Resident } from "./slot-table.ts";

export interface Reuse {
  /** About. */
  readonly tokens: number;
  /** The prompt goes on from all that the resident was asked. */
  readonly isWhole: boolean;
}

export function reuseOf(
  { prompt: had, tokens, counts }: Resident,
  { prompt, promptTokens }: Pick<SeatRequest, "prompt" | "promptTokens">,
): Reuse {
  const common = commonBytes(had, prompt);
  if (common === had.bytes.length) return { tokens: Math.min(tokens, promptTokens), isWhole: true };
  // Its bytes are of the prompt alone, and all are taken to be of as many tokens.
  const share = common / had.bytes.length;
  return { tokens: Math.floor((counts?.promptTokens ?? tokens) * share), isWhole: false };
}

function commonBytes(a: SnapshotPrompt, b: SnapshotPrompt): number {
  const most = Math.min(a.bytes.length, b.bytes.length);
  let at = 0;
  while (at < most && a.bytes[at] === b.bytes[at]) at++;
  return at;
}
