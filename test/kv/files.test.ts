import { describe, expect, it } from "vitest";

import { isOurs } from "../../src/kv/files.ts";
import type { ObjectName, ObjectStat } from "../../src/kv/location.ts";
import type { StoredFile } from "../../src/kv/records.ts";
import { STAT } from "../support/kv-desk.ts";

const RECORDED: ObjectStat = { ...STAT, sizeBytes: 100, identity: "8:1", content: "t1" };

function file(name: string, stat: ObjectStat | undefined): StoredFile {
  return {
    location: "disk",
    name: name as ObjectName,
    tenant: "",
    creator: "session",
    highWaterBytes: 100,
    unusedBytes: 0,
    isSealed: true,
    openReservations: 0,
    committedBytes: 0,
    referencedBytes: 0,
    replicaBytes: 0,
    lastReservationEndMs: 0,
    readScore: 0,
    priorityFloor: 0,
    leasedUntilMs: 0,
    stat,
    isSnapshot: false,
  };
}

describe("an object under a session's own name", () => {
  it("is ours if it is the one that was made, however it was written since", () => {
    const found = { ...RECORDED, sizeBytes: 500, content: "t2" };
    expect(isOurs(file("session", RECORDED), found)).toBe(true);
  });

  it("is ours under another device's number while nothing else is different", () => {
    expect(isOurs(file("session", RECORDED), { ...RECORDED, identity: "9:1" })).toBe(true);
  });

  it.each([{ sizeBytes: 101 }, { content: "t2" }])("is another's otherwise: %o", (change) => {
    const found = { ...RECORDED, identity: "8:2", ...change };
    expect(isOurs(file("session", RECORDED), found)).toBe(false);
  });

  it("is another's where none was ever recorded as made", () => {
    expect(isOurs(file("session", undefined), RECORDED)).toBe(false);
  });
});

it("an object under random letters is ours, whatever it is like", () => {
  expect(isOurs(file("session.e1", undefined), RECORDED)).toBe(true);
  expect(isOurs(file("e1", RECORDED), { ...RECORDED, identity: "9:9", content: "t9" })).toBe(true);
});
