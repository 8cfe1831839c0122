import { expect, it } from "vitest";

import type { Random } from "../../../src/clock.ts";
import type { Location, LocationProfile, ObjectName } from "../../../src/kv/location.ts";
import type { Session } from "../../../src/kv/records.ts";
import { type Place, Places } from "../../../src/kv/turns/places.ts";
import { RETENTION } from "../../support/kv-desk.ts";
import { seededRandom } from "../../support/random.ts";

const SESSION: Session = {
  tenant: "",
  id: "s-1",
  life: 0,
  model: "m",
  retention: RETENTION,
  parent: undefined,
  createdAtMs: 0,
  expiresAtMs: 1,
  pinnedUntilMs: 0,
  file: undefined,
  leasedBy: undefined,
  turns: [],
  segments: 0,
};

const LONG = "x".repeat(128);

type Choice = Partial<LocationProfile> & Partial<Pick<Place, "labels" | "engines">>;

function place(id: string, { labels = {}, engines = true, ...profile }: Choice = {}): Place {
  const full = { id, tier: "disk", weight: 1, capacityBytes: 1, freeFloorBytes: 0, ...profile };
  // Places look at the profile of a location alone.
  const location = { profile: full } as Location;
  return { location, fileNames: "random", headroomBytes: 0, labels, engines };
}

function placesOf(places: readonly Place[], random: Random = seededRandom(1)): Places {
  return new Places({ places, tiers: ["memory", "disk"], random, newName: () => "new" });
}

function ids(ranked: readonly Place[]): string[] {
  return ranked.map(({ location }) => location.profile.id);
}

const MIXED = [place("disk"), place("far", { tier: "remote" }), place("ram", { tier: "memory" })];

it("asks tier by tier, and no tier that is not named", () => {
  expect(ids(placesOf(MIXED).ranked(SESSION, undefined))).toEqual(["ram", "disk"]);
});

it("goes on where the session writes already, whatever its tier", () => {
  const file = { location: "far", name: "x" as ObjectName };
  expect(ids(placesOf(MIXED).ranked({ ...SESSION, file }, undefined))).toEqual([
    "far",
    "ram",
    "disk",
  ]);
});

it("forgets a place that is configured no more", () => {
  const file = { location: "gone", name: "x" as ObjectName };
  expect(ids(placesOf(MIXED).ranked({ ...SESSION, file }, undefined))).toEqual(["ram", "disk"]);
});

it("stays within reach, also where the session writes elsewhere", () => {
  const places = placesOf([place("a"), place("b"), place("c")]);
  const file = { location: "a", name: "x" as ObjectName };
  expect(ids(places.ranked({ ...SESSION, file }, new Set(["c"])))).toEqual(["c"]);
  expect(ids(places.ranked({ ...SESSION, file }, new Set()))).toEqual([]);
  expect(places.within(new Set(["c", "gone"]))).toEqual(new Set(["c"]));
});

it("leaves out what no engine reaches, whoever asks and wherever the session writes", () => {
  const places = placesOf([place("a"), place("archive", { engines: false })]);
  const file = { location: "archive", name: "x" as ObjectName };
  expect(ids(places.ranked({ ...SESSION, file }, undefined))).toEqual(["a"]);
  expect(ids(places.ranked(SESSION, new Set(["archive"])))).toEqual([]);
  expect(places.within(undefined)).toEqual(new Set(["a"]));
  expect(places.location("archive")).toBeDefined();
});

it("finds as good as a place what all reach that reach it", () => {
  const node = (name: string, more = {}) => place(name, { labels: { node: name, ...more } });
  const archive = place("archive", { engines: false });
  const places = placesOf([place("shared"), node("a"), node("b", { zone: "z" }), archive]);
  expect(places.asGoodAs("shared")).toEqual(new Set(["shared"]));
  expect(places.asGoodAs("a")).toEqual(new Set(["shared", "a"]));
  expect(places.asGoodAs("b")).toEqual(new Set(["shared", "b"]));
  expect(places.asGoodAs("archive")).toEqual(new Set(["shared"]));
  expect(places.asGoodAs("gone")).toEqual(new Set());
});

it("ranks equally for equal random numbers", () => {
  const places = [place("a"), place("b"), place("c")];
  const orders = [1, 1].map((seed) =>
    ids(placesOf(places, seededRandom(seed)).ranked(SESSION, undefined)),
  );
  expect(orders[0]).toEqual(orders[1]);
});

it("takes each place as often as its weight says", () => {
  const places = placesOf([place("a"), place("b", { weight: 3 })]);
  const first = Array.from({ length: 10_000 }, () => ids(places.ranked(SESSION, undefined))[0]);
  const share = first.filter((id) => id === "b").length / first.length;
  expect(share).toBeGreaterThan(0.73);
  expect(share).toBeLessThan(0.77);
});

it.each<[string, Partial<Session>, { first: string; next: string }]>([
  ["for its id, and then with a suffix", {}, { first: "s-1", next: "s-1.new" }],
  ["at random for another tenant", { tenant: "t" }, { first: "new", next: "new" }],
  ["at random for an id with a dot", { id: "s.1" }, { first: "new", next: "new" }],
  ["for an id of 128 letters", { id: LONG }, { first: LONG, next: `${LONG}.new` }],
  ["at random for an id of 129", { id: `${LONG}x` }, { first: "new", next: "new" }],
])("names a session's files %s", (_, change, { first, next }) => {
  const named: Place = { ...place("disk"), fileNames: "session" };
  const session = { ...SESSION, ...change };
  const name = (isFirst: boolean) => placesOf([named]).newFile(named, session, isFirst).name;
  expect([name(true), name(false)]).toEqual([first, next]);
});

it("names files at random where that is asked for", () => {
  const [disk = place("disk")] = MIXED;
  expect(placesOf(MIXED).newFile(disk, SESSION, true).name).toBe("new");
});
