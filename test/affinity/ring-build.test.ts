import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AppError } from "../../src/errors.ts";
import { buildRing, rebuildRing, WORK_PER_STEP } from "../../src/affinity/ring-build.ts";
import { MAX_MEMBERS, STORED_RANKS } from "../../src/affinity/ring.ts";
import type { Ring, RingMember } from "../../src/affinity/ring.ts";
import { createHash64 } from "../../src/hash.ts";
import { equalMembers, member, rankedIds } from "../support/ring-member.ts";

const hash = await createHash64();
const options = { slots: 1024, hash };

/** Runs the steps to the end. */
function drive(steps: Generator<number, Ring>): { ring: Ring; work: number[] } {
  const work: number[] = [];
  for (;;) {
    const step = steps.next();
    if (step.done === true) return { ring: step.value, work };
    work.push(step.value);
  }
}

const rebuild = (previous: Ring | undefined, members: readonly RingMember[]): Ring =>
  drive(rebuildRing(previous, members, options)).ring;

const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, each) => total + each, 0);

/** Every stored rank of every slot. */
const storedRanks = (ring: Ring): number[] =>
  Array.from({ length: ring.slots * STORED_RANKS }, (_, i) =>
    ring.memberAt(Math.floor(i / STORED_RANKS), i % STORED_RANKS),
  );

/** 0 is off the ring; the least weight makes every score infinite, so that ids decide. */
const weight = fc.constantFrom(0, Number.MIN_VALUE, 1, 2, 3);
const membersOf = (weights: readonly number[]): RingMember[] =>
  weights.map((each, index) => member(`e${index}`, each));

describe("rebuilding a ring", () => {
  it("gives what a first build gives, whatever ring it starts from [R7]", () => {
    const before = fc.array(weight, { maxLength: 16, size: "max" });
    const edits = fc.dictionary(fc.nat(15).map(String), weight, { maxKeys: 3 });
    fc.assert(
      fc.property(before, edits, (weights, edited) => {
        const after = membersOf(weights.map((each, index) => edited[index] ?? each));
        const rebuilt = rebuild(buildRing(membersOf(weights), options), after);
        const built = buildRing(after, options);
        expect(rebuilt.members).toEqual(built.members);
        expect(storedRanks(rebuilt)).toEqual(storedRanks(built));
      }),
    );
  });

  it("restores the ring when a member is added and removed again [R7]", () => {
    const before = buildRing(equalMembers(12), options);

    const added = rebuild(before, equalMembers(13));
    const after = rebuild(added, equalMembers(12));

    expect(storedRanks(added)).not.toEqual(storedRanks(before));
    expect(storedRanks(after)).toEqual(storedRanks(before));
  });

  it("ranks an added member by id among those of equal score", () => {
    const tied = (id: string): RingMember => member(id, Number.MIN_VALUE); // every score is infinite
    const before = buildRing([tied("a"), tied("c")], options);

    const added = rebuild(before, [tied("c"), tied("b"), tied("a")]);

    expect(rankedIds(added, 0)).toEqual(["a", "b", "c"]);
  });

  it("returns the previous ring itself when its members are the same", () => {
    const ring = buildRing(equalMembers(3), options);

    expect(rebuild(ring, [...equalMembers(3).toReversed(), member("unweighted", 0)])).toBe(ring);
  });

  it("starts anew when the number of slots is another one", () => {
    const ring = buildRing(equalMembers(3), { slots: 512, hash });

    const rebuilt = rebuild(ring, equalMembers(3));

    expect(rebuilt.slots).toBe(1024);
    expect(storedRanks(rebuilt)).toEqual(storedRanks(buildRing(equalMembers(3), options)));
  });
});

describe("the work of a build", () => {
  const slots = 8192;
  const first = drive(rebuildRing(undefined, equalMembers(200), { slots, hash }));
  const workTo = (members: readonly RingMember[]): number =>
    sum(drive(rebuildRing(first.ring, members, { slots, hash })).work);

  it("comes in steps of a bounded size", () => {
    expect(first.work.length).toBe(25);
    expect(Math.max(...first.work)).toBeLessThanOrEqual(WORK_PER_STEP + 200);
  });

  it("is less than a tenth for one endpoint more or less of 200", () => {
    expect(sum(first.work)).toBeGreaterThan(199 * slots);
    expect(workTo(equalMembers(201))).toBeLessThan(20 * slots);
    expect(workTo(equalMembers(199))).toBeLessThan(20 * slots);
  });
});

describe("a build refuses", () => {
  const attempt =
    (list: Iterable<RingMember>, slots = 1024) =>
    () =>
      buildRing(list, { slots, hash });

  it.each([
    ["an id that is there twice", attempt([member("a"), member("b"), member("a")]), /member a /],
    ["a weight that is not a number", attempt([member("a", Number.NaN)]), /weight NaN/],
    ["an endless weight", attempt([member("a", Infinity)]), /weight Infinity/],
    ["slots that are no power of two", attempt([], 1000), /slots 1000/],
    ["no slots", attempt([], 0), /slots 0/],
    ["too many slots", attempt([], 2_097_152), /slots 2097152 .* 1048576/],
    ["too many members", attempt(equalMembers(MAX_MEMBERS + 1), 1), /65536 .* 65535/],
  ])("%s, and says what it got and may get", (_, build, message) => {
    expect(build).toThrow(AppError);
    expect(build).toThrow(message);
  });

  it("nothing at its limits", () => {
    const ring = attempt(equalMembers(MAX_MEMBERS), 1)();

    expect(ring.members.length).toBe(MAX_MEMBERS);
    expect(ring.memberAt(0, MAX_MEMBERS - 1)).toBeGreaterThanOrEqual(0);
    expect(ring.memberAt(0, MAX_MEMBERS)).toBe(-1);
  });
});
