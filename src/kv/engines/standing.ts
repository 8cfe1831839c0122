/** How an engine stands as a value, and the events that change it. */
import type { EngineState } from "../path/engine-directory.ts";
import type { EngineInstance } from "../records.ts";

/** Where each engine starts, and where it is again as soon as its connection is lost. */
export const UNKNOWN: EngineState = { kind: "off", reason: "engine_unknown" };
const MISMATCH: EngineState = { kind: "off", reason: "engine_mismatch" };
const MISCOUNTED: EngineState = { kind: "off", reason: "engine_miscounted" };

/**
 * It has said what it is. An engine whose weights were changed and changed back writes other bytes in between: it is another
 * instance then. One that miscounted stays off whatever it says.
 */
export function afterIntroduction(
  state: EngineState,
  {
    matches,
    newInstance,
  }: { readonly matches: boolean; readonly newInstance: () => EngineInstance },
): EngineState {
  if (state === MISCOUNTED) return state;
  if (!matches) return MISMATCH;
  return state.kind === "ready" ? state : { kind: "ready", instance: newInstance() };
}

/** What is not known to match is off for another reason already. */
export function afterMiscount(state: EngineState): EngineState {
  return state.kind === "ready" ? MISCOUNTED : state;
}
