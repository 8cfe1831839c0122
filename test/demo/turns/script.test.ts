import { expect, it } from "vitest";
import { documents } from "../../../demo/turns/script.ts";

it("no document shares more than the first words of another's, so nothing of one is found for another", () => {
  const beginnings = documents(8).map((document) => document.split("\n", 1)[0]);
  expect(new Set(beginnings).size).toBe(8);
});
