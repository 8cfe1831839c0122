import { describe, expect, it } from "vitest";

import {
  atLocation,
  chooseCopy,
  copiesOf,
  inFile,
  isAtAny,
  rankCopies,
} from "../../src/kv/copies.ts";
import type { ObjectName, Tier } from "../../src/kv/location.ts";

const name = "file" as ObjectName;
const at = (location: string, kvStart = 0) => ({ location, name, kvStart });
/** First on the disk, then in memory, and at two remote locations. */
const SEGMENT = {
  file: { location: "disk", name },
  kvStart: 640,
  replicas: [at("memory"), at("remote-b"), at("remote-a")],
};
const TIERS: ReadonlyMap<string, Tier> = new Map([
  ["disk", "disk"],
  ["memory", "memory"],
  ["remote-a", "remote"],
  ["remote-b", "remote"],
]);

function ranked(loads: Readonly<Record<string, number>> = {}, unreached: readonly string[] = []) {
  const choice = {
    tierOf: (id: string) => (unreached.includes(id) ? undefined : TIERS.get(id)),
    load: (id: string) => loads[id] ?? 0,
  };
  const copies = rankCopies(SEGMENT, choice);
  expect(chooseCopy(SEGMENT, choice)).toEqual(copies[0]);
  return copies.map(({ file }) => file.location);
}

describe("copies", () => {
  it("are ranked by tier, then by load, then by id", () => {
    expect(ranked()).toEqual(["memory", "disk", "remote-a", "remote-b"]);
    expect(ranked({ "remote-a": 2, "remote-b": 1, memory: 9 })).toEqual([
      "memory",
      "disk",
      "remote-b",
      "remote-a",
    ]);
  });

  it("are none where nothing is to be read", () => {
    expect(ranked({}, ["memory", "remote-a"])).toEqual(["disk", "remote-b"]);
    expect(ranked({}, [...TIERS.keys()])).toEqual([]);
  });

  it("stand as the segment's own place when it is in them, and the others as its replicas", () => {
    const read = inFile(SEGMENT, { location: "memory", name });
    expect(read).toEqual({
      file: { location: "memory", name },
      kvStart: 0,
      replicas: [at("disk", 640), at("remote-b"), at("remote-a")],
    });
    expect(atLocation(SEGMENT, "memory")).toEqual(read);
    expect(read && new Set(copiesOf(read))).toEqual(new Set(copiesOf(SEGMENT)));
    expect(inFile(SEGMENT, SEGMENT.file)).toEqual(SEGMENT);
    expect(inFile(SEGMENT, { location: "memory", name: "other" as ObjectName })).toBeUndefined();
    expect(atLocation(SEGMENT, "nowhere")).toBeUndefined();
  });

  it("are at any location that one of them is at", () => {
    expect(isAtAny(SEGMENT, new Set(["remote-a"]))).toBe(true);
    expect(isAtAny(SEGMENT, new Set(["disk"]))).toBe(true);
    expect(isAtAny(SEGMENT, new Set(["nowhere"]))).toBe(false);
  });
});
