import fc from "fast-check";
import { expect, it } from "vitest";

import type { ObjectName, Tier } from "../../../src/kv/location.ts";
import { copyChange, type CopyChange } from "../../../src/kv/popularity/copy-change.ts";

const RULES = { min: 1, max: 4, readsPerSecondPerCopy: 10 };
/** By their first letter: an archive is read by no engine. */
const TIERS: Readonly<Record<string, Tier>> = { m: "memory", d: "disk", r: "remote" };
const tierOf = (location: string): Tier | undefined => TIERS[location.charAt(0)];

interface Seen {
  readonly rate?: number;
  readonly isWarm?: boolean;
  readonly isIdle?: boolean;
  readonly rules?: Partial<typeof RULES>;
  /** Where somebody reads who reads as fast nowhere else. */
  readonly needed?: string;
}

/** Of a segment with copies at these locations, the first one first. */
function changeOf(locations: string, seen: Seen = {}): CopyChange | undefined {
  const name = "x" as ObjectName;
  const [file = { location: "", name }, ...others] = locations
    .split(" ")
    .map((location) => ({ location, name }));
  const replicas = others.map((other) => ({ ...other, kvStart: 0 }));
  const { rate = 0, isWarm = true, isIdle = false, rules = {}, needed } = seen;
  const isSpare = ({ location }: { readonly location: string }) => location !== needed;
  const copies = { segment: { file, kvStart: 0, replicas }, tierOf, isSpare };
  return copyChange({ ...copies, readsPerSecond: rate, isWarm, isIdle }, { ...RULES, ...rules });
}

/** In a few words. */
function told(locations: string, seen: Seen = {}): string {
  const change = changeOf(locations, seen);
  if (change === undefined) return "nothing";
  if (change.kind === "drop") return `drop ${change.copy.location} ${change.cause}`;
  return `make ${change.cause} ${change.within ?? "anywhere"}`;
}

it.each<[string, Seen, string]>([
  ["d1", { rate: 10 }, "nothing"],
  ["d1", { rate: 11 }, "make reads disk"],
  ["d1 d2", { rate: 11 }, "nothing"],
  ["d1 d2", { rate: 4.9 }, "drop d2 cooled"],
  ["d1 d2 d3", { rate: 5 }, "drop d3 cooled"],
  ["d1 d2 d3", { rate: 5, needed: "d3" }, "drop d2 cooled"],
  ["d1 d2", { rate: 0, needed: "d2" }, "nothing"],
  ["d1 d2", { isIdle: true, needed: "d2" }, "drop d2 idle"],
  ["d1 d2", { rate: 0, isWarm: false }, "nothing"],
  ["d1 d2", { rate: 1_000, rules: { max: 2 } }, "nothing"],
  ["d1 d2 d3", { rate: 1_000, rules: { max: 2 } }, "drop d3 cooled"],
  ["d1 m1", { rate: 11 }, "make reads memory"],
  ["d1 m1", { rate: 11, rules: { max: 2 } }, "nothing"],
  ["d1 m1 m2", { rate: 1 }, "drop m2 cooled"],
  ["d1 m1", { isIdle: true }, "drop m1 idle"],
  ["m1 d1", { isIdle: true }, "drop d1 idle"],
  ["m1 d1 r1", { isIdle: true, rules: { min: 2 } }, "drop r1 idle"],
  ["m1 d1", { isIdle: true, rules: { min: 2 } }, "nothing"],
  ["m1 d1", { isIdle: true, isWarm: false }, "nothing"],
  ["d1", { isIdle: true }, "nothing"],
  ["m1", { rules: { min: 2 } }, "make minimum anywhere"],
  ["d1 archive", { rules: { min: 2 } }, "make minimum anywhere"],
  ["d1 archive", { isIdle: true }, "nothing"],
  ["archive", { rate: 1_000, rules: { min: 2 } }, "nothing"],
  ["archive d1", { rate: 11 }, "make reads disk"],
])("of copies at %s, where %o, is to be: %s", (locations, seen, change) => {
  expect(told(locations, seen)).toBe(change);
});

it("never drops the last copy that is read, one under the minimum, or one that is no replica", () => {
  const locations = fc.uniqueArray(fc.constantFrom("m1", "m2", "d1", "d2", "r1", "archive"), {
    minLength: 1,
  });
  const min = fc.integer({ min: 1, max: 4 });
  const rate = fc.double({ min: 0, max: 50, noNaN: true });
  const seen = fc.record({ rate, isIdle: fc.boolean() });
  fc.assert(
    fc.property(locations, min, seen, (at, least, how) => {
      const rules = { min: least, max: 4 };
      const change = changeOf(at.join(" "), { ...how, rules });
      if (change?.kind !== "drop") return;
      const readable = at.filter((each) => tierOf(each) !== undefined);
      expect(readable.length - 1).toBeGreaterThanOrEqual(least);
      expect(at.slice(1)).toContain(change.copy.location);
      expect(readable).toContain(change.copy.location);
    }),
    { numRuns: 1_000 },
  );
});
