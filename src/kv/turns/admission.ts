/**
 * Whether a prompt is worth writing at all. Where a retention class asks for a second hit, nothing is written until a good half of a
 * prompt was in an earlier one of the tenant, so that what comes once costs no space, and a system prompt that all have in common
 * does not count as a hit of the long texts behind it.
 *
 * Prompts are remembered by their index keys at the grid points 1, 2, 4, 8 and so on: at most a dozen keys each, in memory alone.
 * After a restart, and once too many others have come, a prompt has to be seen anew; one whose half is stored still is not.
 */
import { LRUCache } from "lru-cache";

import type { Digest } from "../digest.ts";
import type { Retention } from "../records.ts";
import type { PromptIndex } from "./prompt-index.ts";

/** About ten for each prompt that is remembered. */
export const SEEN_LIMIT = 200_000;

export type Unadmitted = "too_short" | "not_seen_twice";

export interface Candidate {
  readonly index: Pick<PromptIndex, "keyAt" | "promptTokens"> & {
    readonly view: Pick<PromptIndex["view"], "length" | "step">;
  };
  /** Tokens of it that are listed; of a text, units. */
  readonly storedTokens: number;
  readonly retention: Pick<Retention, "admission">;
}

export interface AdmissionOptions {
  /** Of a prompt; one with fewer is never written. */
  readonly minTokens: number;
  /** Keys that are remembered, of about 100 bytes each. */
  readonly seenLimit: number;
}

export class Admission {
  readonly #minTokens: number;
  readonly #seen: LRUCache<string, true>;

  constructor({ minTokens, seenLimit }: AdmissionOptions) {
    this.#minTokens = minTokens;
    this.#seen = new LRUCache({ max: seenLimit });
  }

  /** Undefined: it may be written. */
  refusal({ index, storedTokens, retention }: Candidate): Unadmitted | undefined {
    if (index.promptTokens(storedTokens) < this.#minTokens) return "too_short";
    if (retention.admission === "always") return undefined;
    const half = marksOf(index).at(-1);
    if (half === undefined) return "not_seen_twice";
    const isSeen = storedTokens >= half || this.#seen.has(nameOf(index.keyAt(half)));
    return isSeen ? undefined : "not_seen_twice";
  }

  /** Once for each turn, after its refusal was asked for. */
  remember({ index, retention }: Candidate): void {
    if (retention.admission === "always") return;
    for (const mark of marksOf(index)) this.#seen.set(nameOf(index.keyAt(mark)), true);
  }
}

/** Ends of 1, 2, 4 ... grid steps; the last of them is past the middle of the prompt's last whole step. */
function marksOf({ view: { length, step } }: Candidate["index"]): number[] {
  const marks: number[] = [];
  for (let at = step; at <= length; at *= 2) marks.push(at);
  return marks;
}

function nameOf(key: Digest): string {
  return Buffer.from(key).toString("latin1");
}
