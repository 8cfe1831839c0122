/** What is done to a catalog at random, and how often. */
import fc from "fast-check";

import { QUARANTINE_MS, RETENTION } from "../../support/kv-desk.ts";

export const names = ["a", "b", "other/a"];
/** Each with its share of all operations. */
const shares = {
  create: 2,
  reserve: 5,
  report: 5,
  settle: 7,
  abort: 1,
  fork: 2,
  end: 1,
  use: 1,
  pin: 1,
  condemn: 2,
  lease: 2,
  attach: 2,
  amend: 1,
  share: 3,
  unshare: 2,
  trust: 1,
  pass: 1,
  sweep: 1,
  unlink: 1,
  evict: 3,
  copy: 4,
  move: 3,
  replicate: 5,
  drop: 1,
  cut: 4,
  save: 6,
  keep: 3,
  repair: 1,
  crash: 1,
} as const;
export type Verb = keyof typeof shares;
const verbs = Object.entries(shares) as [Verb, number][];

/** One operation, with all that any of them needs. */
export interface Command {
  readonly verb: Verb;
  readonly name: string;
  readonly other: string;
  readonly text: string;
  /** Picks a turn, a segment or a time. */
  readonly pick: number;
  /** Tokens, or a part. */
  readonly few: number;
  readonly isSo: boolean;
}

export const someCommand: fc.Arbitrary<Command> = fc.record({
  verb: fc.oneof(...verbs.map(([verb, weight]) => ({ weight, arbitrary: fc.constant(verb) }))),
  name: fc.constantFrom(...names),
  other: fc.constantFrom(...names),
  text: fc.string({ unit: fc.constantFrom("x", "x", "x", "y"), minLength: 1, maxLength: 9 }),
  pick: fc.nat(1_000),
  few: fc.nat(4),
  isSo: fc.boolean(),
});

/** Mostly within a turn; now and then a session's life, or a file's. */
export const times = [1, 2, 90, 200, 499, 500, 600, 1, 2, 90, 200, 1, 2, 90].concat([
  RETENTION.ttlMs - 1,
  RETENTION.ttlMs,
  QUARANTINE_MS,
]);
