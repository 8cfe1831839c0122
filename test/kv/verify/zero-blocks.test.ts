import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { eachBlock, nonzeroBlocks } from "../../../src/kv/model/nonzero-blocks.ts";
import { ZeroBlockSearch } from "../../../src/kv/verify/zero-blocks.ts";
import { LAYOUTS } from "./stand.ts";

const kinds = Object.keys(LAYOUTS) as (keyof typeof LAYOUTS)[];

/** Chunks of the given lengths, over and over, each in a buffer where it begins at `skew`. */
function* chunked(bytes: Uint8Array, lengths: readonly number[], skew: number) {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const chunk = bytes.subarray(at, at + (lengths[i % lengths.length] as number));
    const buffer = new Uint8Array(chunk.length + skew);
    buffer.set(chunk, skew);
    yield buffer.subarray(skew);
    at += chunk.length;
  }
}

function finds(search: ZeroBlockSearch, chunks: Iterable<Uint8Array>): boolean {
  for (const chunk of chunks) if (search.finds(chunk)) return true;
  return false;
}

describe("the search for a zero block", () => {
  it("finds one exactly where a plain look at each block does, however the bytes are cut", () => {
    const someBytes = fc.record({
      kind: fc.constantFrom(...kinds),
      tokens: fc.integer({ min: 1, max: 24 }),
      kvStart: fc.oneof(fc.nat(9_000), fc.integer({ min: 3841, max: 4095 })), // edges that are no blocks too
      lengths: fc.array(fc.integer({ min: 1, max: 6_000 }), { minLength: 1, maxLength: 4 }),
      skew: fc.nat(7),
      missing: fc.oneof(fc.constant(0), fc.nat()),
      isTorn: fc.boolean(),
      at: fc.nat(),
    });
    const seen = { found: 0, clean: 0 };
    fc.assert(
      fc.property(someBytes, ({ kind, tokens, kvStart, lengths, skew, missing, isTorn, at }) => {
        const layout = LAYOUTS[kind];
        const blocks = nonzeroBlocks(layout, { tokens, kvStart });
        const all = [...eachBlock(blocks)];
        const bytes = new Uint8Array(tokens * layout.bytesPerToken).fill(1); // so are the edges
        for (const { offsetBytes, lengthBytes } of all) {
          bytes.fill(0, offsetBytes, offsetBytes + lengthBytes);
          bytes[offsetBytes + (at % lengthBytes)] = 1 << (at % 8); // the least that makes it none
        }
        const hit = all[missing % Math.max(1, all.length)];
        if (isTorn && hit !== undefined) {
          bytes.fill(0, hit.offsetBytes, hit.offsetBytes + hit.lengthBytes);
        }
        const plain = all.some(({ offsetBytes, lengthBytes }) =>
          bytes.subarray(offsetBytes, offsetBytes + lengthBytes).every((byte) => byte === 0),
        );
        seen[plain ? "found" : "clean"]++;
        return finds(new ZeroBlockSearch(blocks), chunked(bytes, lengths, skew)) === plain;
      }),
      { numRuns: 500 },
    );
    expect(Math.min(seen.found, seen.clean)).toBeGreaterThan(100);
  });

  it("takes negative zero, whose words are not zero, for a number", () => {
    const bytes = new Uint8Array(512);
    bytes[511] = 0x80;
    const blocks = { startBytes: 0, firstEndBytes: 512, blockBytes: 512, endBytes: 512 };

    expect(new ZeroBlockSearch(blocks).finds(bytes)).toBe(false);
  });
});
