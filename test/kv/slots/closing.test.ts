/** The end of a desk, whatever is under way. */
import { expect, it } from "vitest";

import { settle } from "../../support/fake-clock.ts";
import { sessionOf, SlotStand, text } from "../../support/kv/slot-stand.ts";

it("saves what is newer than its file, what was used last first, as long as there is time", async () => {
  const stand = new SlotStand({ slots: 3, save: "on_evict" });
  for (const id of ["a", "b", "c"]) {
    await stand.turn(id, text(id, 50));
    await stand.advance(10);
  }
  stand.server.calls.length = 0;
  stand.server.delaysMs.save = 100;
  const closed = stand.desk.close(150);
  await stand.advance(300);
  await closed;
  expect(stand.server.calls).toEqual(["save 2", "save 1"]);
  expect(stand.snapshots.kept.map(({ session }) => session.id)).toEqual(["c", "b"]);
});

it("saves nothing where there is no time", async () => {
  const stand = new SlotStand({ save: "on_evict" });
  await stand.turn("a", text("a", 50));
  await stand.desk.close(0);
  expect([stand.saves, stand.clock.pendingTimers]).toEqual([[], 0]);
});

it("tries what cannot be saved once", async () => {
  const stand = new SlotStand({ save: "on_evict" });
  await stand.turn("a", text("a", 50));
  stand.server.faults.save.push("refused");
  await stand.desk.close(1_000);
  expect(stand.saves.map(({ outcome }) => outcome)).toEqual(["refused"]);
});

it("saves a turn that ends while it is closing", async () => {
  const stand = new SlotStand({ save: "on_evict" });
  const seat = await stand.seated("a", text("a", 50));
  stand.answer(seat, text("a", 50));
  await stand.desk.close(1_000);
  expect(stand.snapshots.of(sessionOf("a"))?.words).toHaveLength(53);
});

it("seats nobody any more: not who waits, and not who comes", async () => {
  const stand = new SlotStand({ slots: 1 });
  const seat = await stand.seated("a", text("a", 50));
  const waiting = stand.seat("b", text("b", 50));
  const closed = stand.desk.close(1_000);
  expect(await waiting).toBe("engine_unknown");
  await closed;
  expect(await stand.seat("a", text("a", 50))).toBe("engine_unknown");
  stand.answer(seat, text("a", 50));
  await settle();
  expect([stand.saves, stand.failed]).toEqual([[], []]);
});

it("waits for what is under way, and for what is being listed", async () => {
  const stand = new SlotStand();
  const listed = Promise.withResolvers<void>();
  stand.snapshots.keeps.push(listed.promise);
  stand.server.delaysMs.save = 500;
  await stand.turn("a", text("a", 50));
  let isClosed = false;
  const closed = stand.desk.close(1_000).then(() => (isClosed = true));
  await stand.advance(499);
  expect([isClosed, stand.saves]).toEqual([false, []]);
  await stand.advance(1);
  expect(isClosed).toBe(false);
  listed.resolve();
  await closed;
  expect(stand.saves).toMatchObject([{ outcome: "kept" }]);
});

it.each(["save", "erase"] as const)("waits for no %s that does not end", async (call) => {
  const stand = new SlotStand({ slots: 1 });
  const seat = await stand.seated("a", text("a", 50));
  stand.server.delaysMs[call] = 300_000;
  stand.answer(seat, text("a", 50));
  if (call === "erase") stand.desk.end(sessionOf("a"));
  await settle();
  const closed = stand.desk.close(300);
  await stand.advance(600);
  await closed;
  expect(stand.failed).toEqual([call]);
});

it("waits for no restore that does not end", async () => {
  const stand = new SlotStand({ slots: 1 });
  await stand.turn("a", text("a", 50));
  stand.server.intrude(0, text("z", 50));
  stand.server.delaysMs.restore = 300_000;
  void stand.seat("a", text("a", 60), { forMs: 600_000 });
  await settle();
  const closed = stand.desk.close(300);
  await stand.advance(600);
  await closed;
  expect(stand.failed).toEqual(["restore"]);
});

it("waits for no server that does not answer", async () => {
  const stand = new SlotStand({ slots: 1 });
  stand.server.faults.look.push(...Array.from({ length: 100 }, () => "lost" as const));
  await stand.seat("a", text("a", 50));
  const closed = stand.desk.close(300);
  await stand.advance(300);
  await closed;
  expect(stand.clock.pendingTimers).toBe(0);
  // Once by the turn that it was for, and once by all the looks after it.
  expect(stand.failed).toEqual(["look", "look"]);
});

it("is closed once, and lets go of its timers", async () => {
  const stand = new SlotStand({ save: "idle" });
  await stand.turn("a", text("a", 50));
  const [first, second] = [stand.desk.close(0), stand.desk.close(1_000)];
  expect(second).toBe(first);
  await first;
  expect(stand.clock.pendingTimers).toBe(0);
});
