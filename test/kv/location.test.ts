import { describe, expect, it } from "vitest";

import {
  isSameContent,
  isSameObject,
  isWithin,
  parseObjectName,
  refuseSpace,
} from "../../src/kv/location.ts";

describe("parseObjectName", () => {
  it.each([
    "a",
    "session-97f1226c-e752-4961-a858-432814b5dce0",
    "A_b-9.epoch_1-X",
    "x".repeat(128),
    `${"x".repeat(128)}.${"e".repeat(32)}`,
  ])("takes %s", (text) => {
    expect(parseObjectName(text)).toBe(text);
  });

  it.each([
    "",
    ".",
    "..",
    ".a",
    "a.",
    "a..b",
    "a.b.c",
    "a/b",
    "../a",
    "a\\b",
    "a b",
    "a\0",
    "a\n",
    "%61",
    "é",
    "x".repeat(129),
    `a.${"e".repeat(33)}`,
    ".a.d1.part",
  ])("takes no %j", (text) => {
    expect(parseObjectName(text)).toBeUndefined();
  });
});

describe("refuseSpace", () => {
  const limits = { capacityBytes: 1_000, freeFloorBytes: 100 };
  const roomy = { bookedBytes: 0, unwrittenBytes: 0, freeBytes: 1_000_000 };

  it("fills the capacity to the byte, and not beyond", () => {
    expect(refuseSpace(limits, { ...roomy, bookedBytes: 900 }, 100)).toBeUndefined();
    expect(refuseSpace(limits, { ...roomy, bookedBytes: 900 }, 101)).toMatchObject({
      code: "no_space",
      message: "101 bytes on top of 900 exceed the capacity of 1000",
    });
  });

  it("counts what was promised and is not written yet as gone from the device", () => {
    const books = { bookedBytes: 0, unwrittenBytes: 300, freeBytes: 500 };
    expect(refuseSpace(limits, books, 100)).toBeUndefined();
    expect(refuseSpace(limits, books, 101)).toMatchObject({
      code: "no_space",
      message: "101 bytes would leave 99 free, and 100 must stay",
    });
  });
});

describe("isWithin", () => {
  it.each([
    [0, 10, true],
    [9, 1, true],
    [10, 0, true],
    [9, 2, false],
    [11, 0, false],
    [-1, 1, false],
    [0, -1, false],
    [0.5, 1, false],
    [Number.NaN, 1, false],
    [0, Number.POSITIVE_INFINITY, false],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, false],
  ])("says of %d + %d in 10 bytes: %s", (offset, length, within) => {
    expect(isWithin({ offset, length }, 10)).toBe(within);
  });
});

describe("what a stat is compared by", () => {
  const stat = { sizeBytes: 10, identity: "1:2", content: "3:4", modifiedAtMs: 5 };

  it.each([
    ["its time alone is the same in both", { modifiedAtMs: 6 }, [true, true]],
    ["its content is the same object", { content: "3:5" }, [true, false]],
    ["its size is neither", { sizeBytes: 11 }, [false, false]],
    ["its identity is neither", { identity: "1:3" }, [false, false]],
  ])("what differs in %s", (_, change, same) => {
    const other = { ...stat, ...change };
    expect([isSameObject(stat, other), isSameContent(stat, other)]).toEqual(same);
  });
});
