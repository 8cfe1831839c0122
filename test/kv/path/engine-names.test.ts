import { expect, it } from "vitest";

import { engineField } from "../../../src/api/schemas/fields.ts";
import { EngineNames } from "../../../src/kv/path/engine-names.ts";

it("names engines so that those of another process are lost, and those of the API's callers are not", () => {
  let named = 0;
  const newName = () => `name-${++named}`;
  const [before, now] = [new EngineNames(newName), new EngineNames(newName)];
  const [own, other] = [now.next(), now.next()];
  expect(own).not.toBe(other);
  expect([own, other, before.next()].map((name) => now.isLost(name))).toEqual([false, false, true]);
  expect([own, before.next()].map((name) => engineField.safeParse(name).success)).toEqual([
    false,
    false,
  ]);
  expect(now.isLost("pid-1234")).toBe(false);
});
