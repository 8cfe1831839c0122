import { beforeEach, expect, it } from "vitest";

import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import type { Catalog } from "../../../src/kv/catalog.ts";
import { hurriedIn } from "../../../src/kv/turns/hurried.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { QUARANTINE_MS } from "../../support/kv-desk.ts";

let catalog: Catalog;
let clock: FakeClock;
let swept: boolean;
beforeEach(async () => {
  catalog = await openCatalog(new MemoryStore());
  clock = new FakeClock();
  swept = false;
});

function sweepBehind<T>(work: Promise<T>): Promise<T> {
  const done = hurriedIn({ catalog, scheduler: clock })(() => work);
  void Promise.resolve(catalog.sweep({ nowMs: 1, limit: 1, quarantineMs: QUARANTINE_MS })).then(
    () => (swept = true),
  );
  return done;
}

it("keeps the sweep from beginning before the work is done", async () => {
  const work = Promise.withResolvers<number>();
  const done = sweepBehind(work.promise);
  await settle();
  expect(swept).toBe(false);
  work.resolve(7);
  expect(await done).toBe(7);
  await settle();
  expect(swept).toBe(true);
  expect(clock.pendingTimers).toBe(0);
});

it("keeps it for no longer than a moment from work that does not end", async () => {
  void sweepBehind(new Promise(() => undefined));
  await clock.advance(49);
  expect(swept).toBe(false);
  await clock.advance(1);
  expect(swept).toBe(true);
});

it("lets it begin after work that fails, and tells that", async () => {
  await expect(sweepBehind(Promise.reject(new Error("full")))).rejects.toThrow("full");
  await settle();
  expect(swept).toBe(true);
});
