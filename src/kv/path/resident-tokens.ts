/**
 * What the engine that a turn goes to computed last of its session, which it may still have: engines keep KV of their own for a while,
 * so a prompt that goes on from there may find it there. Whether they do is for a predictor to learn. In memory alone, and bounded by
 * bytes.
 */
import { LRUCache } from "lru-cache";
import type { Clock } from "../../clock.ts";
import type { TurnShape } from "../prediction/prediction.ts";
import type { EngineInstance, SessionKey } from "../records.ts";
import { joinIds } from "../tokens/join-ids.ts";
import { promptsName, sharedSteps } from "../turns/known-chains.ts";
import type { TokenSequence } from "../turns/token-sequence.ts";

export interface ComputedTurn {
  readonly session: SessionKey;
  readonly engine: EngineInstance;
  readonly prompt: TokenSequence | { readonly kind: "text" };
}

export type Resident = Pick<TurnShape, "residentTokens" | "idleMs">;

const NONE: Resident = { residentTokens: 0 };

interface Kept {
  readonly engine: EngineInstance;
  /** Monotonic. */
  readonly atMs: number;
  readonly ids: Uint32Array;
}

/** What an entry costs beside its ids. */
const ENTRY_BYTES = 512;

export interface ResidentOptions {
  readonly pageSize: number;
  readonly limitBytes: number;
  readonly clock: Clock;
}

export class ResidentTokens {
  readonly #pageSize: number;
  readonly #clock: Clock;
  readonly #kept: LRUCache<string, Kept>;

  constructor(options: ResidentOptions) {
    this.#pageSize = options.pageSize;
    this.#clock = options.clock;
    this.#kept = new LRUCache({
      maxSize: options.limitBytes,
      sizeCalculation: ({ ids }) => ids.byteLength + ENTRY_BYTES,
    });
  }

  /** `output`: ids of the answer, as far as they are known. */
  keep({ session, engine, prompt }: ComputedTurn, output: readonly number[]): void {
    if (prompt.kind === "text") return;
    // The last token of an answer is none that an engine goes on from.
    const ids = joinIds(prompt.ids, output.slice(0, -1));
    this.#kept.set(promptsName(session, prompt), { engine, ids, atMs: this.#clock.now() });
  }

  /** Of the prompt, in whole pages. An engine computes its last token anew, whatever it has. */
  of({ session, engine, prompt }: ComputedTurn): Resident {
    if (prompt.kind === "text" || !(prompt.ids instanceof Uint32Array)) return NONE;
    const kept = this.#kept.get(promptsName(session, prompt));
    if (kept?.engine !== engine) return NONE;
    const pageSize = this.#pageSize;
    const pages = sharedSteps(kept.ids, prompt.ids.subarray(0, -1), pageSize);
    return { residentTokens: pageSize * pages, idleMs: this.#clock.now() - kept.atMs };
  }
}
