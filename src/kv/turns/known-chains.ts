/**
 * The prompts that sessions had last, with the digests of their chains. A prompt that goes on from one is the same up to some grid point,
 * token by token, and up to there nothing is hashed again: neither for the next turn's plan, nor for the commit of the same one.
 *
 * What is found is compared with the prompt itself, so whose it was does not matter. In memory alone, and bounded by bytes.
 */
import { LRUCache } from "lru-cache";

import type { SessionKey } from "../records.ts";
import type { KnownChain, SequenceChain, TokenSequence } from "./token-sequence.ts";

interface Kept extends KnownChain {
  readonly step: number;
}

/** What an entry costs beside its ids: of a grid point, and in all. */
const POINT_BYTES = 160;
const ENTRY_BYTES = 512;

export class KnownChains {
  readonly #kept: LRUCache<string, Kept>;

  constructor(limitBytes: number) {
    this.#kept = new LRUCache({
      maxSize: limitBytes,
      sizeCalculation: ({ ids, points }) =>
        ids.byteLength + points.length * POINT_BYTES + ENTRY_BYTES,
    });
  }

  /** What of the sequence is known, of one whose ids are all given and lie in an array of their own type. */
  begin(session: SessionKey, sequence: TokenSequence, step: number): KnownChain | undefined {
    const { ids, grid } = sequence;
    if (!(ids instanceof Uint32Array) || grid.length > 0) return undefined;
    const kept = this.#kept.get(promptsName(session, sequence));
    if (kept === undefined || kept.step !== step) return undefined;
    const steps = sharedSteps(kept.ids, ids, step);
    if (steps === 0) return undefined;
    return { ids: ids.subarray(0, steps * step), points: kept.points.slice(0, steps) };
  }

  /** The chain is of these ids and no more; neither changes any more. */
  keep(session: SessionKey, sequence: TokenSequence, chain: SequenceChain): void {
    const { ids, grid } = sequence;
    const points = grid.length === 0 ? chain.points : [];
    if (!(ids instanceof Uint32Array) || points.length === 0) return;
    const { step } = chain;
    const whole = ids.subarray(0, points.length * step);
    this.#kept.set(promptsName(session, sequence), { step, ids: whole, points });
  }
}

/** Steps of ids with which both begin. */
export function sharedSteps(one: Uint32Array, other: Uint32Array, step: number): number {
  const isShared = (from: number, to: number) =>
    Buffer.compare(bytesOf(one.subarray(from, to)), bytesOf(other.subarray(from, to))) === 0;
  const most = Math.floor(Math.min(one.length, other.length) / step);
  if (isShared(0, most * step)) return most;
  let [shared, differs] = [0, most];
  while (differs - shared > 1) {
    const middle = (shared + differs) >>> 1;
    if (isShared(shared * step, middle * step)) shared = middle;
    else differs = middle;
  }
  return shared;
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Of a session's prompts that may go on from one another. Neither of its parts has a NUL in it; what sets chains apart may have anything. */
export function promptsName(
  { tenant, id }: SessionKey,
  { context }: Pick<TokenSequence, "context">,
): string {
  const { extraKey = "", cacheSalt = "" } = context;
  return `${tenant}\0${id}\0${JSON.stringify([extraKey, cacheSalt])}`;
}
