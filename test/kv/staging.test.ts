import { expect, it } from "vitest";

import { parseStagedName } from "../../src/kv/staging.ts";

it.each(["a.slot", `${"x".repeat(64)}.slot`])("%s is a staged name", (text) => {
  expect(parseStagedName(text)).toBe(text);
});

it.each([".slot", "a.slots", "a.b.slot", "../a.slot", `${"x".repeat(65)}.slot`, "a.slot\n"])(
  "%j is no staged name",
  (text) => {
    expect(parseStagedName(text)).toBeUndefined();
  },
);
