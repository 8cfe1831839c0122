/** How an engine stands as a value, and the events that change it. */
import type { EngineState } from "../path/engine-directory.ts";
import type { EngineInstance } from "../records.ts";

/** Where each engine starts, and where it is again as soon as its connection is lost. */
export const UNKNOWN: EngineState = { kind: "off", reason: "engine_unknown" };
const MISMATCH: EngineState = { kind: "off", reason: "engine_mismatch" };
/** It would load KV to a wrong place of its own cache. */
const MISPLACING: EngineState = { kind: "off", reason: "engine_misplaces" };
const MISCOUNTED: EngineState = { kind: "off", reason: "engine_miscounted" };
const ENCODING: EngineState = { kind: "off", reason: "engine_encodes" };
/** Its tokenizer made other tokens of a probe than ours. */
export const OTHER_TOKENIZER: EngineState = { kind: "off", reason: "tokenizer_mismatch" };

const UNFIT = { engine_mismatch: MISMATCH, engine_misplaces: MISPLACING } as const;

/**
 * It has said what it is. An engine whose weights were changed and changed back writes other bytes in between: it is another
 * instance then. One that is off for good stays so whatever it says.
 */
export function afterIntroduction(
  state: EngineState,
  { unfit, newInstance, ...traits }: Introduction,
): EngineState {
  if (isOffForGood(state)) return state;
  if (unfit !== undefined) return UNFIT[unfit];
  return state.kind === "ready" ? state : { kind: "ready", instance: newInstance(), ...traits };
}

/** Its chats with tools are made of other tokens than ours. */
export function withOtherTools(state: EngineState): EngineState {
  return state.kind === "ready" ? { ...state, hasOtherTools: true } : state;
}

export interface Introduction {
  /** Why it must get no KV, by what it says. */
  readonly unfit: keyof typeof UNFIT | undefined;
  readonly tellsUsage: boolean;
  readonly maxPromptTokens: number | undefined;
  readonly newInstance: () => EngineInstance;
}

/** An answer was computed by weights that are not the profile's: it must say anew what it is. */
export function afterOtherWeights(state: EngineState): EngineState {
  return state.kind === "ready" ? MISMATCH : state;
}

/** For as long as its process lives: neither its tokenizer nor ours is ever another within one, nor how it answers. */
function isOffForGood(state: EngineState): boolean {
  return state === MISCOUNTED || state === OTHER_TOKENIZER || state === ENCODING;
}

/** It encodes answers that must be read. */
export function afterEncoded(state: EngineState): EngineState {
  return state.kind === "ready" ? ENCODING : state;
}

/** What is not known to match is off for another reason already. */
export function afterMiscount(state: EngineState): EngineState {
  return state.kind === "ready" ? MISCOUNTED : state;
}
