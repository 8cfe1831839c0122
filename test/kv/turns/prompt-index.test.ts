import { expect, it } from "vitest";

import { createDigests } from "../../../src/digests.ts";
import { tokenChain } from "../../../src/kv/chain/chain-format.ts";
import { type IndexScope, PromptIndex } from "../../../src/kv/turns/prompt-index.ts";
import { SequenceChain, type TokenSequence } from "../../../src/kv/turns/token-sequence.ts";
import { isTurnOf, sealedTurn } from "../../../src/kv/turns/turn-seal.ts";

const digests = createDigests();
const IDS = Array.from({ length: 150 }, (_, at) => at + 1);
const WHOLE: TokenSequence = { kind: "engine", context: {}, grid: [], ids: IDS };
const SCOPE = { own: Uint8Array.of(1), shared: [], geometry: new Uint8Array(33) };

function chainOf(sequence: TokenSequence): SequenceChain {
  const chain = new SequenceChain(sequence, tokenChain(1), digests);
  chain.append(sequence.ids);
  return chain;
}

/** The same tokens, of which the first 128 are known by their digests alone. */
function paged(ids = IDS): TokenSequence {
  const chain = chainOf({ ...WHOLE, ids });
  const grid = [64, 128].flatMap((at) => chain.endAt(at)?.digest ?? []);
  return { ...WHOLE, grid, ids: ids.slice(128) };
}

function indexOf(sequence: TokenSequence, scope: IndexScope = SCOPE): PromptIndex {
  return new PromptIndex(chainOf(sequence), scope, digests);
}

it.each([[0], [64], [128], [129], [150]])(
  "knows the same end at %i by ids and by digests",
  (at) => {
    expect(chainOf(WHOLE).endAt(at)).toBeDefined();
    expect(chainOf(paged()).endAt(at)).toEqual(chainOf(WHOLE).endAt(at));
  },
);

it.each([[1], [63], [127], [-1], [151], [1.5], [Number.NaN], [Infinity]])(
  "knows no end at %d where only digests are known",
  (at) => {
    expect(chainOf(paged()).endAt(at)).toBeUndefined();
  },
);

it("has the keys of a segment's end where a match of a longer prompt looks for them", () => {
  const [namespace] = indexOf(WHOLE).view.namespaces;
  const end = indexOf({ ...WHOLE, ids: IDS.slice(0, 100) }).chainOf(0, 100)?.place;
  expect(end?.gridKey).toEqual(namespace?.gridKey(1));
  expect(end?.leaf).toEqual({ length: 36, key: namespace?.leafKey(1, 36) });
});

it("has no leaf for a segment that ends on the grid", () => {
  const [namespace] = indexOf(WHOLE).view.namespaces;
  const end = indexOf(WHOLE).chainOf(10, 128)?.place;
  expect(end).toMatchObject({ gridKey: namespace?.gridKey(2), leaf: undefined });
});

it("has other keys for another tenant, and for another geometry", () => {
  const other = { ...SCOPE, own: Uint8Array.of(2) };
  const otherModel = { ...SCOPE, geometry: new Uint8Array(33).fill(1) };
  expect(indexOf(WHOLE, other).keyAt(150)).not.toEqual(indexOf(WHOLE).keyAt(150));
  expect(indexOf(WHOLE, otherModel).keyAt(150)).not.toEqual(indexOf(WHOLE).keyAt(150));
});

it("seals a turn to its prompt, in whichever form it is known", () => {
  const turn = sealedTurn("x".repeat(39), indexOf(WHOLE).keyAt(150));
  expect(turn).toMatch(/^[A-Za-z0-9_-]{64}$/);
  expect(isTurnOf(turn, indexOf(paged()).keyAt(150))).toBe(true);
  expect(isTurnOf(turn, indexOf({ ...WHOLE, ids: IDS.slice(1) }).keyAt(149))).toBe(false);
});
