/** Whether a turn that waits for what is being brought begins to answer sooner than one that goes at once. Pure. */
import type { Left } from "./flight.ts";

/** How long a turn is held where nobody knows whether it pays: what is seen meanwhile says it of the next. */
export const TRY_MS = 1_000;

/** What waiting for the first few copies leads to; the first of all is to wait for none. */
export interface Prospect {
  readonly left: Left;
  /** Of the prompt, that the engine could load then. */
  readonly storedTokens: number;
  /** Until the turn begins to answer, once it goes; undefined: nobody knows. */
  readonly turnMs: number | undefined;
}

export interface Choice {
  /** How many copies are waited for. */
  readonly copies: number;
  /** Until they are there, as far as is known. */
  readonly leftMs: number;
  /** By which the turn is shorter then. Waiting for longer is in vain, whatever becomes of the copies. */
  readonly gainMs: number;
}

/**
 * That with the most to gain by it, of those that can be waited for so long; while nobody knows what is gained, that with the most to
 * load. Undefined: whichever is waited for takes at least as long as it saves.
 */
export function chooseHold(prospects: readonly Prospect[], limitMs: number): Choice | undefined {
  const [now] = prospects;
  if (now === undefined) return undefined;
  let best: Choice | undefined;
  let most = 0;
  for (const [copies, then] of prospects.entries()) {
    const { ms: leftMs } = then.left;
    const savedMs = savedBy(now, then);
    const gainMs = gainOf(then, savedMs ?? (then.storedTokens > now.storedTokens ? TRY_MS : 0));
    const worth = savedMs === undefined ? then.storedTokens : gainMs - leftMs;
    if (copies === 0 || gainMs <= leftMs || leftMs >= limitMs || worth <= most) continue;
    most = worth;
    best = { copies, leftMs, gainMs };
  }
  return best;
}

/** Undefined: nobody knows. */
function savedBy(now: Prospect, then: Prospect): number | undefined {
  const isKnown = now.turnMs !== undefined && then.turnMs !== undefined;
  return isKnown ? now.turnMs - then.turnMs : undefined;
}

function gainOf({ left }: Prospect, savedMs: number): number {
  return left.isKnown ? savedMs : Math.min(savedMs, TRY_MS);
}
