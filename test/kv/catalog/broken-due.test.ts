/** A record that cannot be read must not keep what is due behind it from its end. */
import { expect, it } from "vitest";

import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import type { Key } from "../../../src/kv/catalog/transaction.ts";
import { segmentId } from "../../../src/kv/records.ts";
import { condemn, key, KvDesk, QUARANTINE_MS, RETENTION } from "../../support/kv-desk.ts";

const BROKEN = Uint8Array.of(0xff);

/** One of each kind that falls due, and one more of each; then time passes. */
async function dueCatalog() {
  const store = new MemoryStore();
  const desk = new KvDesk(await openCatalog(store));
  for (const name of ["a", "b"]) {
    await desk.create(`idle-${name}`);
    await desk.store(`idle-${name}`, `${name}dle`);
    await desk.catalog.end(key(`idle-${name}`), desk.nowMs);
  }
  desk.nowMs += QUARANTINE_MS;
  for (const name of ["a", "b"]) {
    await desk.create(`damaged-${name}`);
    const { turn } = await desk.store(`damaged-${name}`, `${name}!!!`);
    await condemn(desk.catalog, segmentId(turn, 0));
    await desk.create(name, { retention: { ...RETENTION, ttlMs: 500 } });
    const kept = await desk.store(name, `${name}bcd`);
    const expiresAtMs = desk.nowMs + 500;
    await desk.createPrefix(`t/${name}`, [segmentId(kept.turn, 0)], { expiresAtMs });
    await desk.create(`writer-${name}`);
    await desk.reserved(`writer-${name}`);
  }
  desk.nowMs += 1_000;
  return { state: store.snapshot(), desk };
}

const KINDS = [
  ["turn", "t"],
  ["session", "st\0a\0"],
  ["prefix", "p"],
  ["file", "fdisk\0file-1\0"],
  ["withdrawn segment", "j"],
  ["segment of an expired session", "gturn-4.0\0"],
] as const;

it.each(KINDS)(
  "ends everything else when a %s cannot be read, and counts it once",
  async (...kind) => {
    const { state, desk: before } = await dueCatalog();
    const whole = await before.reopened(await openCatalog(new MemoryStore(state))).sweep();
    expect(whole).toMatchObject({ abortedTurns: 2, expiredSessions: 2, expiredPrefixes: 2 });
    expect(whole.unlinkable).toHaveLength(2);
    expect(whole.brokenRecords).toBe(0);

    const at = [...state.keys()].find((known) => known.startsWith(kind[1])) ?? "";
    const store = new MemoryStore(new Map([...state, [at, BROKEN]]));
    const desk = before.reopened(await openCatalog(store));
    const report = await desk.sweep();
    const ended = (each: typeof report) =>
      each.abortedTurns + each.expiredSessions + each.expiredPrefixes + each.unlinkable.length;
    expect(report.brokenRecords).toBeGreaterThan(0);
    expect(ended(report)).toBeGreaterThanOrEqual(ended(whole) - report.brokenRecords);
    expect(await desk.sweep()).toMatchObject({ brokenRecords: 0, isFull: false });
    if (!at.startsWith("j")) expect(store.snapshot().get(at)).toEqual(BROKEN);

    await desk.catalog.repair(desk.nowMs);
    expect(await desk.catalog.audit()).toEqual([]);
  },
);

it("passes what follows from nothing", async () => {
  const { state, desk: before } = await dueCatalog();
  const rest = new Map([...state].filter(([at]) => at !== "st\0a\0"));
  const desk = before.reopened(await openCatalog(new MemoryStore(rest)));
  expect(await desk.sweep()).toMatchObject({ expiredSessions: 1, isFull: false });
});

it("gets through many of them in passes that each pass by a few", async () => {
  const store = new MemoryStore();
  const desk = new KvDesk(await openCatalog(store));
  const names = Array.from({ length: 20 }, (_, n) => `s${String(n).padStart(2, "0")}`);
  for (const name of names) await desk.create(name);
  await desk.create("t", { retention: { ...RETENTION, ttlMs: RETENTION.ttlMs + 1 } });
  const broken = (at: Key) => at.startsWith("st\0s");
  const state = [...store.snapshot()].map(
    ([at, value]) => [at, broken(at) ? BROKEN : value] as const,
  );
  const damaged = desk.reopened(await openCatalog(new MemoryStore(new Map(state))));
  damaged.nowMs += RETENTION.ttlMs + 1;
  const reports = [await damaged.sweep(), await damaged.sweep(), await damaged.sweep()];
  expect(reports.map(({ brokenRecords }) => brokenRecords)).toEqual([8, 8, 4]);
  expect(reports.map(({ expiredSessions }) => expiredSessions)).toEqual([0, 0, 1]);
  expect(reports.map(({ isFull }) => isFull)).toEqual([true, true, false]);
});

it("takes a fault of the store for no fault of a record", async () => {
  const { state, desk: before } = await dueCatalog();
  const store = new MemoryStore(state);
  const failing = {
    read: store.read.bind(store),
    close: () => store.close(),
    write: <T>(rule: Parameters<typeof store.write<T>>[0]) =>
      store.write<T>((tx) =>
        rule({
          ...tx,
          get(at) {
            if (at === "st\0a\0") throw new Error("EIO");
            return tx.get(at);
          },
        }),
      ),
  };
  const desk = before.reopened(await openCatalog(failing));
  await expect(desk.sweep()).rejects.toThrow("EIO");
  expect(await desk.catalog.audit()).toEqual([]);
});
