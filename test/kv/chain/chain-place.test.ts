import { expect, it } from "vitest";

import { createDigests } from "../../../src/digests.ts";
import { ANCHOR_STEPS, chainPlace, indexPlace } from "../../../src/kv/chain/chain-place.ts";
import { indexKey } from "../../../src/kv/chain/index-key.ts";

/** Each digest is its position; a step has 10 units. */
const chain = {
  step: 10,
  endAt: (at: number) => (at <= 2_000 ? { at, digest: digestOf(at) } : undefined),
};

function digestOf(at: number): Uint8Array {
  const digest = new Uint8Array(32);
  new DataView(digest.buffer).setUint32(0, at);
  return digest;
}

it.each([
  [0, { anchor: 0, offset: 0, grid: 0 }],
  [10, { anchor: 0, offset: 1, grid: 10 }],
  [639, { anchor: 0, offset: 63, grid: 630, length: 9 }],
  [640, { anchor: 640, offset: 0, grid: 640 }],
  [655, { anchor: 640, offset: 1, grid: 650, length: 5 }],
])("places the end at %i", (at, { anchor, offset, grid, ...leaf }) => {
  expect(ANCHOR_STEPS).toBe(64);
  expect(chainPlace(chain, at)).toEqual({
    anchor: digestOf(anchor),
    offset,
    grid: digestOf(grid),
    leaf: "length" in leaf ? { length: leaf.length, digest: digestOf(at) } : undefined,
  });
});

it("places no end that the chain does not know", () => {
  expect(chainPlace(chain, 2_001)).toBeUndefined();
});

it("has every part of a place under the namespace's key", () => {
  const digests = createDigests();
  const namespace = Uint8Array.of(1);
  const geometry = new Uint8Array(33);
  const keyOf = (at: number) =>
    indexKey(namespace, { geometry, end: { digest: digestOf(at) } }, digests);
  const place = chainPlace(chain, 655);
  if (place === undefined) throw new Error("the chain knows that end");
  expect(indexPlace(namespace, { geometry, place }, digests)).toEqual({
    anchorKey: keyOf(640),
    offset: 1,
    gridKey: keyOf(650),
    leaf: { length: 5, key: keyOf(655) },
  });
});
