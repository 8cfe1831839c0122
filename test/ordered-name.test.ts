import { expect, it } from "vitest";
import { orderedName } from "../src/ordered-name.ts";

it("sorts names by when they were made, over more digits too", () => {
  const times = [0, 9, 16, 255, 1_800_000_000_000, 2 ** 44 - 1, 2 ** 44];
  const names = times.map(orderedName);
  expect(names.toSorted()).toEqual(names);
});

it("makes names of one moment that a file system takes, none of them twice", () => {
  const names = new Set(Array.from({ length: 1_000 }, () => orderedName(1_800_000_000_000)));
  expect(names.size).toBe(1_000);
  for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-]{32}$/);
});
