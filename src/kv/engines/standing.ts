/** How an engine stands as a value, and the events that change it. */
import type { EngineState } from "../path/engine-directory.ts";
import type { EngineInstance } from "../records.ts";

/** Where each engine starts, and where it is again as soon as its connection is lost. */
export const UNKNOWN: EngineState = { kind: "off", reason: "engine_unknown" };
const MISMATCH: EngineState = { kind: "off", reason: "engine_mismatch" };
const MISCOUNTED: EngineState = { kind: "off", reason: "engine_miscounted" };
/** Its tokenizer made other tokens of a probe than ours. */
export const OTHER_TOKENIZER: EngineState = { kind: "off", reason: "tokenizer_mismatch" };

/**
 * It has said what it is. An engine whose weights were changed and changed back writes other bytes in between: it is another
 * instance then. One whose tokens are not ours stays off whatever it says.
 */
export function afterIntroduction(
  state: EngineState,
  {
    matches,
    newInstance,
  }: { readonly matches: boolean; readonly newInstance: () => EngineInstance },
): EngineState {
  if (hasOtherTokens(state)) return state;
  if (!matches) return MISMATCH;
  return state.kind === "ready" ? state : { kind: "ready", instance: newInstance() };
}

/** For as long as its process lives: neither its tokenizer nor ours is ever another within one. */
export function hasOtherTokens(state: EngineState): boolean {
  return state === MISCOUNTED || state === OTHER_TOKENIZER;
}

/** What is not known to match is off for another reason already. */
export function afterMiscount(state: EngineState): EngineState {
  return state.kind === "ready" ? MISCOUNTED : state;
}
