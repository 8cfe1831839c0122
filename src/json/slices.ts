/**
 * Work on a text that may be long, in slices of a millisecond or two: it yields between two of them, so that whoever drives it can let
 * others have the event loop, and returns what it found.
 */
export type Slices<T> = Generator<void, T, void>;

export function atOnce<T>(slices: Slices<T>): T {
  for (;;) {
    const { done, value } = slices.next();
    if (done === true) return value;
  }
}

/** Rests between slices. What is done with the first one is answered at once. */
export function unhurried<T>(slices: Slices<T>, rest: () => Promise<void>): T | Promise<T> {
  const { done, value } = slices.next();
  return done === true ? value : theRest(slices, rest);
}

async function theRest<T>(slices: Slices<T>, rest: () => Promise<void>): Promise<T> {
  for (;;) {
    await rest();
    const { done, value } = slices.next();
    if (done === true) return value;
  }
}
