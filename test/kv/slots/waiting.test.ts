/** Turns that wait for a slot, or for their session. */
import { expect, it } from "vitest";

import { settle } from "../../support/fake-clock.ts";
import { ANSWER, seatOf, SlotStand, text } from "../../support/kv/slot-stand.ts";

const A = text("a", 50);
const A2 = `${A} ${ANSWER} ${text("more", 10)}`;
const B = text("b", 50);

it("gives a freed slot to the turn that has waited for longest", async () => {
  const stand = new SlotStand({ slots: 1 });
  const first = await stand.seated("a", A);
  const waits = ["b", "c"].map((id) => stand.seat(id, text(id, 50)));
  await settle();
  stand.answer(first, A);
  await settle();
  expect(stand.seats).toHaveLength(2);
  stand.answer(seatOf((await waits[0]) ?? "slots_busy"), B);
  expect(await waits[1]).toMatchObject({ from: "fresh" });
});

it("seats one turn of a session at a time, in their order, and another session's meanwhile", async () => {
  const stand = new SlotStand();
  const first = await stand.seated("a", A);
  const [second, third] = [stand.seat("a", A2), stand.seat("a", A2)];
  expect((await stand.seated("b", B)).slot).toBe(1);
  expect(stand.seats).toHaveLength(2);
  stand.answer(first, A);
  const seat = seatOf(await second);
  expect([seat.from, seat.slot, stand.seats.length]).toEqual(["resident", first.slot, 3]);
  stand.answer(seat, A2);
  expect(await third).toMatchObject({ from: "resident" });
});

it("gives a session's slot to its own turn that waits before another's that came later", async () => {
  const stand = new SlotStand({ slots: 1 });
  const first = await stand.seated("a", A);
  const [own, other] = [stand.seat("a", A2), stand.seat("b", B)];
  await settle();
  stand.answer(first, A);
  const seat = seatOf(await own);
  expect([seat.from, stand.seats.length]).toEqual(["resident", 2]);
  stand.answer(seat, A2);
  expect(await other).toMatchObject({ from: "fresh" });
});

it("gives it to another's that came before, and restores the session's own after that", async () => {
  const stand = new SlotStand({ slots: 1 });
  const first = await stand.seated("a", A);
  const [other, own] = [stand.seat("b", B), stand.seat("a", A2)];
  await settle();
  stand.answer(first, A);
  stand.answer(seatOf(await other), B);
  expect(await own).toMatchObject({ from: "restored" });
});

it("answers at the deadline, not before and not after", async () => {
  const stand = new SlotStand({ slots: 1 });
  await stand.seated("a", A);
  const waiting = stand.seat("b", B, { forMs: 500 });
  await stand.advance(499);
  expect(stand.seats).toHaveLength(1);
  await stand.advance(1);
  expect(await waiting).toBe("slots_busy");
});

it("answers who leaves at once, and who has left before", async () => {
  const stand = new SlotStand({ slots: 1 });
  const seat = await stand.seated("a", A);
  const leaving = new AbortController();
  const waiting = stand.seat("b", B, { signal: leaving.signal });
  leaving.abort();
  expect(await waiting).toBe("client_gone");
  expect(await stand.seat("b", B, { signal: leaving.signal })).toBe("client_gone");
  seat.leave({ kind: "unsent" });
  expect((await stand.seated("c", A)).slot).toBe(0);
});

it("lets no more wait than the line has room for", async () => {
  const stand = new SlotStand({ slots: 1, waitingLimit: 2 });
  const first = await stand.seated("a", A);
  const waits = [stand.seat("b", B), stand.seat("a", A2)];
  expect(await stand.seat("c", text("c", 50))).toBe("queue_full");
  expect(stand.desk.load).toEqual({ residents: 0, waiting: 2 });
  first.leave({ kind: "unsent" });
  seatOf((await waits[0]) ?? "slots_busy");
  expect(stand.desk.load.waiting).toBe(1);
});

it("keeps nothing for a turn whose client left while another resident was saved for it", async () => {
  const stand = new SlotStand({ slots: 1, save: "on_evict" });
  await stand.turn("a", A);
  stand.server.delaysMs.save = 500;
  const leaving = new AbortController();
  const waiting = stand.seat("b", B, { signal: leaving.signal });
  const next = stand.seat("c", text("c", 50));
  await stand.advance(100);
  leaving.abort();
  expect(await waiting).toBe("client_gone");
  await stand.advance(400);
  expect(await next).toMatchObject({ slot: 0 });
});

it("has no slot to give at a server that does not say what is in them", async () => {
  const stand = new SlotStand({ slots: 1 });
  stand.server.faults.look.push("lost");
  expect(await stand.seat("a", A)).toBe("engine_unknown");
  await stand.advance(10);
  expect((await stand.seated("a", A)).from).toBe("fresh");
  expect(stand.failed).toEqual(["look"]);
});

it("gives the slot back where a bug takes the turn that was to have it", async () => {
  const stand = new SlotStand({ slots: 1 });
  stand.server.bugs = 1;
  expect(await stand.seat("a", A)).toBe("engine_unknown");
  await stand.advance(1_000);
  expect((await stand.seated("b", B)).slot).toBe(0);
  expect(stand.failed).toContain("seat");
});

it("takes no more turns at once than may wait and its slots", async () => {
  const stand = new SlotStand({ slots: 1, waitingLimit: 2 });
  const found = Promise.withResolvers<void>();
  stand.snapshots.finds.push(...Array.from({ length: 4 }, () => found.promise));
  const waits = ["a", "b", "c", "d"].map((id) => stand.seat(id, text(id, 50)));
  expect(await waits[3]).toBe("queue_full");
  found.resolve();
  expect(await waits[0]).toMatchObject({ slot: 0 });
  expect(stand.desk.load.waiting).toBe(2);
});

it("seats a session that loses its slot while it waits for it in another one that is free", async () => {
  const stand = new SlotStand({ save: "on_evict" });
  await stand.turn("a", A);
  const third = await stand.seated("c", text("c", 50));
  stand.server.delaysMs.save = 700;
  const taking = stand.seat("b", B);
  await stand.advance(100);
  third.leave({ kind: "unsent" });
  const waiting = stand.seat("a", A2);
  await stand.advance(600);
  expect(await taking).toMatchObject({ slot: 0, from: "fresh" });
  await stand.advance(1);
  expect(stand.seats.slice(2)).toEqual(["fresh nothing_stored", "restored"]);
  expect(await waiting).toMatchObject({ slot: 1 });
});
