import fc from "fast-check";
import { beforeEach, expect, it } from "vitest";
import { createDigests } from "../../../src/digests.ts";
import type { Digests } from "../../../src/kv/digest.ts";
import type { ChainContext } from "../../../src/kv/chain/chain-format.ts";
import { tokenChain } from "../../../src/kv/chain/chain-format.ts";
import { KnownChains } from "../../../src/kv/turns/known-chains.ts";
import { SequenceChain, type TokenSequence } from "../../../src/kv/turns/token-sequence.ts";
import { session } from "../../support/turn-bench.ts";

const STEP = 64;
const plain = createDigests();
let hashed = 0;
const counting: Digests = {
  ...plain,
  sha256: (...parts) => {
    hashed++;
    return plain.sha256(...parts);
  },
};
let known: KnownChains;

beforeEach(() => {
  known = new KnownChains(2 ** 20);
  hashed = 0;
});

function sequenceOf(ids: ArrayLike<number>, context: ChainContext = {}): TokenSequence {
  return { kind: "engine", context, grid: [], ids };
}

/** As a plan makes it: what is known, then the rest, which is known from then on. Returns the steps that were hashed. */
function plan(sequence: TokenSequence, pageSize = 16, of = session("a")) {
  const chain = new SequenceChain(sequence, tokenChain(pageSize), counting);
  const found = known.begin(of, sequence, chain.step);
  if (found !== undefined) chain.appendKnown(found);
  const before = hashed;
  chain.append(Array.from(sequence.ids).slice(found?.ids.length ?? 0));
  const steps = hashed - before;
  known.keep(of, sequence, chain);
  return { chain, steps };
}

function idsOf(length: number, from = 0): Uint32Array {
  return Uint32Array.from({ length }, (_, at) => (from + at) * 7_919);
}

it("has the digests of any prompt as if nothing was known, wherever it leaves the one before", () => {
  const length = fc.integer({ min: 0, max: 5 * STEP + 3 });
  const prompt = fc.record({ shared: length, own: length, salt: fc.constantFrom("", "b") });
  fc.assert(
    fc.property(fc.array(prompt, { minLength: 1, maxLength: 6 }), (prompts) => {
      known = new KnownChains(2 ** 20);
      for (const [at, { shared, own, salt }] of prompts.entries()) {
        const ids = Uint32Array.of(...idsOf(shared), ...idsOf(own, 1_000 * (at + 1)));
        const sequence = sequenceOf(ids, { cacheSalt: salt });
        const fresh = new SequenceChain(sequence, tokenChain(16), plain);
        fresh.append(ids);
        const { chain } = plan(sequence);
        expect(chain.length).toBe(ids.length);
        for (let end = 0; end <= ids.length; end++)
          expect(chain.endAt(end)).toEqual(fresh.endAt(end));
      }
    }),
    { numRuns: 30 },
  );
});

it("hashes of a prompt that goes on what is new alone, and nothing of it a second time", () => {
  expect(plan(sequenceOf(idsOf(100 * STEP + 5))).steps).toBe(100);
  const next = sequenceOf(idsOf(102 * STEP + 5));
  expect(plan(next).steps).toBe(2);
  expect(plan(next).steps).toBe(0);
});

it("hashes from where a prompt leaves the one before", () => {
  plan(sequenceOf(idsOf(100 * STEP)));
  const edited = idsOf(100 * STEP);
  edited[70 * STEP + 1] = 1;
  expect(plan(sequenceOf(edited)).steps).toBe(30);
});

it.each([
  ["of another session", () => plan(sequenceOf(idsOf(3 * STEP)), 16, session("b"))],
  ["with another salt", () => plan(sequenceOf(idsOf(3 * STEP), { cacheSalt: "b" }))],
  ["in other steps", () => plan(sequenceOf(idsOf(4 * STEP)), 128)],
])("knows nothing of a prompt %s", (_, ask) => {
  plan(sequenceOf(idsOf(4 * STEP)));
  expect(ask().steps).toBeGreaterThan(1);
});

it("knows nothing of a prompt whose first ids it is not given", () => {
  const { chain } = plan(sequenceOf(idsOf(4 * STEP)));
  const grid = chain.points.slice(0, 1).map(({ digest }) => digest);
  expect(known.begin(session("a"), { ...sequenceOf(idsOf(4 * STEP)), grid }, STEP)).toBeUndefined();
});

it("forgets what has not come for longest where it has no more room", () => {
  known = new KnownChains(30_000);
  for (const name of ["a", "b", "c"]) plan(sequenceOf(idsOf(40 * STEP)), 16, session(name));
  expect(plan(sequenceOf(idsOf(40 * STEP)), 16, session("c")).steps).toBe(0);
  expect(plan(sequenceOf(idsOf(40 * STEP)), 16, session("a")).steps).toBe(40);
});
