import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildRing } from "../../src/affinity/ring-build.ts";
import { Scorer } from "../../src/affinity/ring-score.ts";
import { createHash64 } from "../../src/hash.ts";
import { member, rankedIds } from "../support/ring-member.ts";

const hash = await createHash64();
const document = readFileSync(new URL("../../docs/ring.md", import.meta.url), "utf8");

/** The rows of the document's table whose first columns are `columns`; cells without their code marks. */
function tableOf(...columns: string[]): string[][] {
  const cells = (line: string): string[] =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", ""));
  const lines = document.split("\n");
  const head = lines.findIndex((line) => columns.every((name, i) => cells(line)[i] === name));
  const rows = lines.slice(head + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith("|")),
    )
    .map(cells);
}

/** The 64 mixed bits as the document words them, in whole 64-bit integers. */
function mixed(id: string, slot: number): bigint {
  const wrap = (value: bigint): bigint => value % 2n ** 64n;
  let z = wrap(hash(id) + BigInt(slot + 1) * 0x9e3779b97f4a7c15n);
  z = wrap((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = wrap((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

function formula(id: string, weight: number, slot: number): number {
  const u = (Number(mixed(id, slot) >> 11n) + 0.5) / 2 ** 53;
  return -Math.log(u) / weight;
}

function scoreOf(id: string, weight: number, slot: number): number {
  const scores = new Float64Array(1);
  new Scorer([member(id, weight)], hash).scoreInto(scores, slot, Uint16Array.of(0));
  return scores[0] ?? Number.NaN;
}

describe("the score", () => {
  it("is the documented formula for every id, slot and weight", () => {
    const slot = fc.nat(1_048_575);
    const weight = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), slot, weight, (id, at, share) => {
        expect(scoreOf(id, share, at)).toBe(formula(id, share, at));
      }),
      { numRuns: 5000 },
    );
  });

  it("orders the whole of a slot, equal scores by id", () => {
    const weight = fc.constantFrom(Number.MIN_VALUE, 1, 2, 3); // the least weight makes every score infinite
    const weights = fc.array(weight, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(weights, fc.nat(15), (drawn, slot) => {
        const pool = drawn.map((share, index) => member(`e${index}`, share));
        const byScore = pool
          .map((one) => ({ id: one.id, score: formula(one.id, one.weight, slot) }))
          .toSorted((a, b) => (a.score === b.score ? (a.id < b.id ? -1 : 1) : a.score - b.score));

        expect(rankedIds(buildRing(pool, { slots: 16, hash }), slot)).toEqual(
          byScore.map(({ id }) => id),
        );
      }),
    );
  });
});

describe("the vectors of docs/ring.md", () => {
  const keys = tableOf("key", "XXH64", "slot");
  const scores = tableOf("id", "slot", "weight");
  const ranks = tableOf("slot", "rank 0");

  it.each(keys)("key %s has hash %s and slot %s", (text, hex, slot) => {
    const key = JSON.parse(text ?? "") as string;
    const ring = buildRing([], { slots: 65_536, hash });

    expect(hash(key).toString(16).padStart(16, "0")).toBe(hex);
    expect(ring.slotOf(key)).toBe(Number(slot));
  });

  it.each(scores)(
    "id %s at slot %s with weight %s mixes and scores as written",
    (id, ...numbers) => {
      const [slot, weight, z, h, score] = numbers;
      const bits = mixed(id ?? "", Number(slot));

      expect(bits.toString(16).padStart(16, "0")).toBe(z);
      expect(bits >> 11n).toBe(BigInt(h ?? ""));
      expect(scoreOf(id ?? "", Number(weight), Number(slot)) / Number(score)).toBeCloseTo(1, 13);
    },
  );

  it.each(ranks)("slot %s ranks %s, %s, %s, %s", (slot, ...ids) => {
    const pool = [1, 2, 3, 4].map((n) => member(`10.0.0.${n}:8000`, n === 4 ? 2 : 1));

    expect(rankedIds(buildRing(pool, { slots: 65_536, hash }), Number(slot))).toEqual(ids);
  });

  it("are all there", () => {
    expect([keys.length, scores.length, ranks.length]).toEqual([5, 5, 9]);
  });
});
