import type { BindingStore } from "../../src/affinity/binding-store.ts";

export type FailureMode = "throws" | "rejects";

/** Fails the call with this number, counted from 1 over all methods, and only that one. Nothing is written by it. */
export function failingAt(
  inner: BindingStore,
  failing: number,
  mode: FailureMode,
): BindingStore & { readonly calls: number } {
  let calls = 0;
  const attempt = <T>(call: () => T): T | Promise<never> => {
    calls++;
    if (calls !== failing) return call();
    const error = new Error(`store failed at call ${calls}`);
    if (mode === "throws") throw error;
    return Promise.reject(error);
  };
  return {
    get calls() {
      return calls;
    },
    lookup: (key) => attempt(() => inner.lookup(key)),
    claim: (key, target) => attempt(() => inner.claim(key, target)),
    extend: (key, generation) => attempt(() => inner.extend(key, generation)),
    move: (key, generation, target) => attempt(() => inner.move(key, generation, target)),
    release: (key) => attempt(() => inner.release(key)),
    load: (pool) => inner.load(pool),
  };
}
