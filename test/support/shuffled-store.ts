import type { BindingStore } from "../../src/affinity/binding-store.ts";
import type { Random } from "../../src/clock.ts";

/**
 * A store that is somewhere else: each call takes effect at some later time, and its answer arrives later still, both in an
 * order that `random` draws from all that is under way. Every call still takes effect atomically.
 */
export function shuffled(inner: BindingStore, random: Random): BindingStore {
  const underWay: (() => void)[] = [];
  let isPumping = false;

  const pump = async (): Promise<void> => {
    isPumping = true;
    while (underWay.length > 0) {
      const [step] = underWay.splice(Math.floor(random() * underWay.length), 1);
      step?.();
      await Promise.resolve(); // lets the flow that got its answer make its next call
    }
    isPumping = false;
  };
  const later = (step: () => void): void => {
    underWay.push(step);
    if (!isPumping) void pump();
  };
  const send = <T>(call: () => T): Promise<Awaited<T>> =>
    new Promise((resolve) => {
      later(() => {
        const answer = call();
        later(() => resolve(answer as Awaited<T>));
      });
    });

  return {
    lookup: (key) => send(() => inner.lookup(key)),
    claim: (key, target) => send(() => inner.claim(key, target)),
    extend: (key, generation) => send(() => inner.extend(key, generation)),
    move: (key, generation, target) => send(() => inner.move(key, generation, target)),
    release: (key) => send(() => inner.release(key)),
    load: (pool) => inner.load(pool),
  };
}
