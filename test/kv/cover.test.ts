import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CoverRules,
  type CoverSegment,
  pickCover,
  whyUnlistable,
} from "../../src/kv/cover.ts";

const NO_RULES = { pageSize: 1, loadThreshold: 0 };

const segment = (id: string, tokenStart: number, end: number): CoverSegment => ({
  id,
  tokenStart,
  tokenLength: end - tokenStart,
});

function idsOf(candidates: readonly CoverSegment[], rules: CoverRules): string {
  return pickCover(candidates, rules)
    .segments.map(({ id }) => id)
    .join(" ");
}

/** Every way to abut listable segments from 0, the empty one included. */
function allCovers(candidates: readonly CoverSegment[], rules: CoverRules): CoverSegment[][] {
  const listable = candidates.filter((one) => whyUnlistable(one, rules) === undefined);
  const onFrom = (position: number): CoverSegment[][] => [
    [],
    ...listable
      .filter(({ tokenStart }) => tokenStart === position)
      .flatMap((one) => onFrom(position + one.tokenLength).map((rest) => [one, ...rest])),
  ];
  return onFrom(0);
}

const tokensOf = (cover: readonly CoverSegment[]): number =>
  cover.reduce((sum, { tokenLength }) => sum + tokenLength, 0);

/** As the contract of `pickCover` words it. */
function compareCovers(a: readonly CoverSegment[], b: readonly CoverSegment[]): number {
  const byTokens = tokensOf(b) - tokensOf(a) || a.length - b.length;
  if (byTokens !== 0) return byTokens;
  for (let i = a.length - 1; i >= 0; i--) {
    const [x, y] = [a[i], b[i]] as [CoverSegment, CoverSegment];
    const byLast = x.tokenStart - y.tokenStart || (x.id < y.id ? -1 : Number(x.id > y.id));
    if (byLast !== 0) return byLast;
  }
  return 0;
}

const candidates = fc
  .array(fc.tuple(fc.nat(7), fc.integer({ min: 1, max: 5 })), { maxLength: 14, size: "max" })
  .map((ranges) => ranges.map(([start, length], i) => segment(`s${i}`, start, start + length)));

const rules = fc.record({
  promptTokens: fc.nat(14),
  pageSize: fc.constantFrom(1, 1, 1, 2, 3),
  loadThreshold: fc.nat(6),
});

describe("pickCover", () => {
  it("lists the seed's two turns", () => {
    const cover = pickCover([segment("b", 113, 213), segment("a", 0, 113)], {
      ...NO_RULES,
      promptTokens: 214,
    });

    expect(cover).toEqual({
      segments: [segment("a", 0, 113), segment("b", 113, 213)],
      tokens: 213,
      belowThresholdTokens: 0,
    });
  });

  it("leaves the engine a token to compute", () => {
    const turns = [segment("a", 0, 113), segment("b", 113, 213)];

    expect(idsOf(turns, { ...NO_RULES, promptTokens: 214 })).toBe("a b");
    expect(idsOf(turns, { ...NO_RULES, promptTokens: 213 })).toBe("a");
    expect(idsOf(turns, { ...NO_RULES, promptTokens: 113 })).toBe("");
  });

  it("stops at a gap and never joins segments that overlap", () => {
    const apart = [segment("a", 0, 64), segment("b", 65, 128), segment("c", 63, 128)];

    expect(idsOf(apart, { ...NO_RULES, promptTokens: 1000 })).toBe("a");
  });

  it("takes the way that covers most, also through shorter segments", () => {
    const snapshots = [segment("long", 0, 100), segment("a", 0, 64), segment("b", 64, 128)];

    expect(idsOf(snapshots, { ...NO_RULES, promptTokens: 1000 })).toBe("a b");
  });

  it("takes the fewest segments for the same tokens", () => {
    const ways = [segment("a", 0, 64), segment("b", 64, 128), segment("whole", 0, 128)];

    const three = [segment("a", 0, 10), segment("b", 10, 20), segment("c", 20, 100)];
    const two = [segment("x", 0, 50), segment("y", 50, 100)]; // found after the three

    expect(idsOf(ways, { ...NO_RULES, promptTokens: 1000 })).toBe("whole");
    expect(idsOf([...three, ...two], { ...NO_RULES, promptTokens: 1000 })).toBe("x y");
  });

  it("lists only segments that start and end on a page", () => {
    const turns = [segment("a", 0, 128), segment("b", 128, 213), segment("c", 100, 164)];
    const paged = { pageSize: 64, loadThreshold: 0, promptTokens: 1000 };

    expect(idsOf(turns, paged)).toBe("a");
    expect(turns.map((turn) => whyUnlistable(turn, paged))).toEqual([
      undefined,
      "off_page",
      "off_page",
    ]);
    expect(whyUnlistable(segment("d", 0, 1024), paged)).toBe("at_prompt_end");
  });

  it("lists nothing that is not above the threshold, and says how much that was", () => {
    const turns = [segment("a", 0, 192), segment("b", 192, 256)];
    const rule = { pageSize: 64, promptTokens: 1000 };

    expect(pickCover(turns, { ...rule, loadThreshold: 256 })).toEqual({
      segments: [],
      tokens: 0,
      belowThresholdTokens: 256,
    });
    expect(pickCover(turns, { ...rule, loadThreshold: 255 })).toMatchObject({
      tokens: 256,
      belowThresholdTokens: 0,
    });
  });

  it("is the best of all covers by its contract, whatever the order of the candidates", () => {
    const shuffled = candidates.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    );
    fc.assert(
      fc.property(shuffled, rules, ([list, other], rule) => {
        const best = allCovers(list, rule).toSorted(compareCovers)[0] ?? [];
        const tokens = tokensOf(best);
        const isLoaded = tokens > rule.loadThreshold;

        expect(pickCover(other, rule)).toEqual({
          segments: isLoaded ? best : [],
          tokens: isLoaded ? tokens : 0,
          belowThresholdTokens: isLoaded ? 0 : tokens,
        });
      }),
      { numRuns: 2000 },
    );
  });

  it("takes a hundred thousand segments in one go", () => {
    const many = Array.from({ length: 100_000 }, (_, i) => segment(`s${i}`, i, i + 1));

    expect(pickCover(many, { ...NO_RULES, promptTokens: 200_000 }).segments).toHaveLength(100_000);
  });
});
