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
 * That with the most to gain by it, of those that can be waited for so long. Undefined: whichever is waited for takes at least as long as
 * it saves.
 */
export function chooseHold(prospects: readonly Prospect[], limitMs: number): Choice | undefined {
  const [now] = prospects;
  if (now === undefined) return undefined;
  let best: Choice | undefined;
  for (const [copies, then] of prospects.entries()) {
    const { ms: leftMs } = then.left;
    const gainMs = gainOf(now, then);
    const profitMs = gainMs - leftMs;
    if (copies === 0 || profitMs <= 0 || leftMs >= limitMs) continue;
    if (best === undefined || profitMs > best.gainMs - best.leftMs) {
      best = { copies, leftMs, gainMs };
    }
  }
  return best;
}

function gainOf(now: Prospect, then: Prospect): number {
  const isKnown = now.turnMs !== undefined && then.turnMs !== undefined;
  if (!isKnown) return then.storedTokens > now.storedTokens ? TRY_MS : 0;
  const gainMs = now.turnMs - then.turnMs;
  return then.left.isKnown ? gainMs : Math.min(gainMs, TRY_MS);
}
