import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createDigests } from "../../../src/digests.ts";
import { candidateEnds } from "../../../src/kv/chain/candidate-ends.ts";
import { Chain } from "../../../src/kv/chain/chain.ts";
import { PLAIN_START, tokenChain } from "../../../src/kv/chain/chain-format.ts";
import { tokenBytes } from "../../../src/kv/chain/token-bytes.ts";

const digests = createDigests();
const format = tokenChain(64);

function chainOf(tokens: number): Chain {
  const chain = new Chain({ format, from: PLAIN_START, digests });
  chain.append(tokenBytes(Array.from({ length: tokens }, (_, i) => i)));
  return chain;
}

/** The lengths of the ends; `leaves` maps a stored grid position to the leaf lengths below it. */
function endsOf(chain: Chain, limit: number, leaves: Record<number, number[]>): number[] {
  return [...candidateEnds(chain, limit, ({ at }) => leaves[at])].map(({ at }) => at);
}

describe("candidateEnds", () => {
  it("goes from the longest end to the shortest, over stored points and listed leaves only", () => {
    const leaves = { 0: [10], 64: [5, 49, 20], 192: [] };

    expect(endsOf(chainOf(300), 300, leaves)).toEqual([192, 113, 84, 69, 64, 10]);
  });

  it("stays within the prompt and the limit", () => {
    const leaves = { 0: [63], 64: [1, 35, 36, 37], 128: [1] };

    expect(endsOf(chainOf(100), 1000, leaves)).toEqual([100, 99, 65, 64, 63]);
    expect(endsOf(chainOf(100), 99, leaves)).toEqual([99, 65, 64, 63]);
    expect(endsOf(chainOf(100), 63, leaves)).toEqual([63]);
  });

  it("has the digest of each end", () => {
    const chain = chainOf(200);
    const ends = [...candidateEnds(chain, 200, () => [3])];

    expect(ends.map(({ at }) => at)).toEqual([195, 192, 131, 128, 67, 64, 3]);
    expect(ends).toEqual(ends.map(({ at }) => chain.endAt(at)));
  });

  it("hashes no leaf before it is asked for", () => {
    const chain = chainOf(200);
    const asked: number[] = [];
    const ends = candidateEnds(chain, 200, ({ at }) => {
      asked.push(at);
      return [8];
    });

    expect(ends.next().value).toEqual(chain.endAt(200));
    expect(asked).toEqual([192]);
  });

  it("finds every stored end that lies on the prompt, each once", () => {
    const stored = fc.uniqueArray(fc.integer({ min: 1, max: 400 }));
    fc.assert(
      fc.property(stored, fc.nat(400), fc.nat(400), (ends, promptTokens, limit) => {
        const leaves: Record<number, number[]> = {};
        for (const end of ends) {
          const lengths = (leaves[end - (end % 64)] ??= []);
          if (end % 64 !== 0) lengths.push(end % 64);
        }
        const found = endsOf(chainOf(promptTokens), limit, leaves);
        const within = ends.filter((end) => end <= Math.min(promptTokens, limit));

        expect(found).toEqual(found.toSorted((a, b) => b - a));
        expect(found.filter((end) => end % 64 !== 0 || ends.includes(end))).toEqual(
          within.toSorted((a, b) => b - a),
        );
      }),
    );
  });
});
