import { expect, it } from "vitest";
import type { Catalog } from "../../../src/kv/catalog.ts";
import {
  timedChanges,
  type ChangeEnd,
  TIMED_CHANGES,
} from "../../../src/kv/catalog/timed-changes.ts";
import { FakeClock } from "../../support/fake-clock.ts";

it.each(TIMED_CHANGES)("tells how long a %s took, also one that failed", async (rule) => {
  const clock = new FakeClock();
  const ends: ChangeEnd[] = [];
  const change = async (request: unknown) => {
    await clock.advance(7);
    if (request === "broken") throw new Error("no");
    return request;
  };
  const catalog = timedChanges({ [rule]: change } as unknown as Catalog, {
    clock,
    ended: (end) => ends.push(end),
  });
  const call = catalog[rule] as unknown as typeof change;

  expect(await call("whole")).toBe("whole");
  await expect(call("broken")).rejects.toThrow("no");
  expect(ends).toEqual([
    { rule, durationMs: 7 },
    { rule, durationMs: 7 },
  ]);
});
