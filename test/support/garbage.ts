/** Garbage as it is collected when a test says so. */
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** What is a target of a WeakRef stays until the turn of the event loop is over. */
export async function collectGarbage(): Promise<void> {
  await setImmediate();
  collect();
}
