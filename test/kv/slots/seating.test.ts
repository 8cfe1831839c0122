/** Where sessions are seated, and what is there for them. */
import { describe, expect, it } from "vitest";

import { settle } from "../../support/fake-clock.ts";
import { ANSWER, SlotStand, text } from "../../support/kv/slot-stand.ts";

const A = text("a", 50);
const A2 = `${A} ${ANSWER} ${text("more", 10)}`;
const B = text("b", 50);
const C = text("c", 50);

describe("a session that was answered", () => {
  it("is resident: its next turn has all of the last one's tokens", async () => {
    const stand = new SlotStand();
    const first = await stand.turn("a", A);
    const next = await stand.seated("a", A2);
    expect(next).toMatchObject({ slot: first.slot, from: "resident", reusedTokens: 53 });
    expect(stand.answer(next, A2)).toBe(53);
    expect(stand.seats).toEqual(["fresh nothing_stored", "resident"]);
  });

  it("is told no more tokens than its prompt has, where it asks the same again", async () => {
    const stand = new SlotStand();
    await stand.turn("a", A);
    expect(await stand.seated("a", A)).toMatchObject({ from: "resident", reusedTokens: 50 });
  });

  it("is told as many tokens as its prompt has in common with what is there", async () => {
    const stand = new SlotStand();
    await stand.turn("a", A);
    const half = `${text("a", 25)} ${text("z", 25)}`;
    const seat = await stand.seated("a", half);
    expect(seat.from).toBe("resident");
    expect(Math.abs(seat.reusedTokens - 25)).toBeLessThan(3);
  });

  it("goes to the slot where it is, also where another one is empty", async () => {
    const stand = new SlotStand({ slots: 3 });
    for (const id of ["a", "b", "c"]) await stand.turn(id, text(id, 50));
    for (const [slot, id] of ["a", "b", "c"].entries()) {
      expect((await stand.turn(id, text(id, 50))).slot).toBe(slot);
    }
  });

  it("is as little as nothing to a session of its id in another tenant", async () => {
    const stand = new SlotStand();
    const own = await stand.turn("t/a", A);
    const other = await stand.seated("u/a", A);
    expect([other.from, other.slot === own.slot]).toEqual(["fresh", false]);
  });
});

describe("a session that is nowhere", () => {
  it("takes an empty slot before anybody's, and then that whose loss costs least", async () => {
    const stand = new SlotStand();
    await stand.turn("a", text("a", 60));
    await stand.turn("b", B);
    expect(stand.displaced).toEqual([]);
    await stand.turn("c", C);
    expect(stand.displaced).toEqual(["other"]);
    expect((await stand.seated("a", text("a", 60))).from).toBe("resident");
  });

  it("is restored from its snapshot, whichever slot it gets", async () => {
    const stand = new SlotStand({ slots: 1 });
    await stand.turn("a", A);
    await stand.turn("b", B);
    const seat = await stand.seated("a", A2);
    expect(seat).toMatchObject({ slot: 0, from: "restored", why: undefined, reusedTokens: 53 });
    expect(stand.answer(seat, A2)).toBe(53);
    expect(stand.restores).toMatchObject([{ outcome: "restored" }]);
    expect(stand.server.files.size).toBe(0);
  });

  it("is told that no more tokens are spared than its prompt has", async () => {
    const stand = new SlotStand({ slots: 1 });
    await stand.turn("a", A);
    await stand.turn("b", B);
    expect((await stand.seated("a", A)).reusedTokens).toBe(50);
  });

  it("finds nothing of another tenant's in its slot", async () => {
    const stand = new SlotStand({ slots: 1 });
    await stand.turn("t/a", A);
    const seat = await stand.seated("u/b", A);
    expect(stand.server.wordsIn(0)).toEqual([]);
    expect(stand.answer(seat, A)).toBe(0);
  });

  it("finds nothing there of what its own tenant keeps apart by a salt", async () => {
    const stand = new SlotStand({ slots: 1 });
    await stand.turn("a", A, { salt: "one" });
    expect(stand.answer(await stand.seated("b", A, { salt: "two" }), A)).toBe(0);
    await settle();
    expect(stand.answer(await stand.seated("c", A, { salt: "two" }), A)).toBe(49);
  });

  it("finds nothing there of itself under another salt", async () => {
    const stand = new SlotStand({ slots: 1 });
    await stand.turn("a", A, { salt: "one" });
    const seat = await stand.seated("a", A, { salt: "two" });
    expect([seat.from, stand.answer(seat, A)]).toEqual(["fresh", 0]);
  });

  it("finds nothing of what was there before the desk knew the slot", async () => {
    const stand = new SlotStand({ slots: 1 });
    stand.server.intrude(0, A);
    expect(stand.answer(await stand.seated("a", A), A)).toBe(0);
  });

  it("has a slot erased for it once, and not again until somebody ran there", async () => {
    const stand = new SlotStand({ slots: 1, save: "on_evict" });
    for (const id of ["t/a", "u/b", "v/c"]) {
      (await stand.seated(id, A)).leave({ kind: "unsent" });
    }
    expect(stand.server.calls).toEqual(["erase 0"]);
    await stand.turn("t/a", A);
    await stand.seated("v/c", A);
    expect(stand.server.calls).toEqual(["erase 0", "save 0", "erase 0"]);
  });

  it("gets no slot where something is that cannot be erased", async () => {
    const stand = new SlotStand({ slots: 1 });
    await stand.turn("t/a", A);
    stand.server.faults.erase.push("refused");
    expect(await stand.seat("u/b", B)).toBe("engine_unknown");
    await settle();
    expect((await stand.seated("u/b", B)).from).toBe("fresh");
  });
});

describe("a slot that others used", () => {
  it("is nobody's home any more: what its session stored is restored", async () => {
    const stand = new SlotStand();
    const { slot } = await stand.turn("a", A);
    stand.server.intrude(slot, B);
    expect((await stand.seated("a", A2)).from).toBe("restored");
    expect(stand.displaced).toEqual(["stranger"]);
  });

  it("is not believed in where its tokens are as many as before, by another request", async () => {
    const stand = new SlotStand({ save: "on_evict" });
    const { slot } = await stand.turn("a", A);
    stand.server.intrude(slot, text("z", 53));
    expect((await stand.seated("a", A2)).from).toBe("fresh");
  });

  it("is nobody's home where the server cleared it", async () => {
    const stand = new SlotStand();
    const { slot } = await stand.turn("a", A);
    stand.server.clear(slot);
    expect((await stand.seated("a", A2)).from).toBe("restored");
    expect(stand.displaced).toEqual(["cleared"]);
  });

  it("is nobody's home where they came between the answer and the look at it", async () => {
    const stand = new SlotStand();
    const seat = await stand.seated("a", A);
    const answered = stand.server.begin(seat.slot, { prompt: A, output: ANSWER }).finish();
    stand.server.intrude(seat.slot, text("z", 80));
    seat.leave({ kind: "answered", ...answered });
    await settle();
    expect([stand.displaced, stand.saves]).toEqual([["stranger"], []]);
    expect((await stand.seated("a", A2)).from).toBe("fresh");
  });

  it("is nobody's home, nor saved, where one waited in the server for its answer to be whole: as long as its own", async () => {
    const stand = new SlotStand({ slots: 1 });
    const seat = await stand.seated("a", A);
    const answered = stand.server.begin(0, { prompt: A, output: ANSWER }).finish();
    const z = text("z", 52);
    const stranger = stand.server.begin(0, { prompt: z, output: "x", isStrange: true });
    seat.leave({ kind: "answered", ...answered });
    await stand.advance(100);
    stranger.finish();
    await stand.advance(1_000);
    expect([stand.displaced, stand.saves]).toEqual([["stranger"], []]);
    await stand.seated("a", z);
    expect(stand.server.wordsIn(0)).toEqual([]);
  });

  it("is nobody's home where one came behind a turn whose client left", async () => {
    const stand = new SlotStand({ slots: 1 });
    const seat = await stand.seated("a", A);
    const running = stand.server.begin(0, { prompt: A, output: ANSWER });
    seat.leave({ kind: "unknown" });
    await stand.advance(5);
    running.cut(1);
    const z = text("z", 52);
    const stranger = stand.server.begin(0, { prompt: z, output: "x", isStrange: true });
    await stand.advance(100);
    stranger.finish();
    await stand.advance(1_000);
    expect(stand.displaced).toEqual(["stranger"]);
    await stand.seated("a", z);
    expect(stand.server.wordsIn(0)).toEqual([]);
  });

  it("is left to them while they run in it: the turn is seated elsewhere", async () => {
    const stand = new SlotStand();
    stand.server.begin(0, { prompt: B, output: "x", isStrange: true });
    expect((await stand.seated("a", A)).slot).toBe(1);
  });

  it("is left to them also by its resident, which is somewhere else then", async () => {
    const stand = new SlotStand();
    await stand.turn("a", A);
    const stranger = stand.server.begin(0, { prompt: B, output: "x", isStrange: true });
    expect(await stand.seated("a", A2)).toMatchObject({ slot: 1, from: "restored" });
    expect(stand.displaced).toEqual(["stranger"]);
    stranger.finish();
  });

  it("is given to who waits for it as soon as they are gone", async () => {
    const stand = new SlotStand({ slots: 1 });
    const stranger = stand.server.begin(0, { prompt: B, output: "x", isStrange: true });
    const waiting = stand.seat("a", A);
    await stand.advance(3_000);
    stranger.finish();
    await stand.advance(1_000);
    expect(await waiting).toMatchObject({ slot: 0, from: "fresh" });
  });
});

describe("a turn that nobody saw the end of", () => {
  it("leaves its session where it is, and nothing that could be saved", async () => {
    const stand = new SlotStand();
    const seat = await stand.seated("a", A);
    stand.server.begin(seat.slot, { prompt: A, output: ANSWER }).cut(2);
    seat.leave({ kind: "unknown" });
    await settle();
    expect(stand.saves).toEqual([]);
    const next = await stand.seated("a", A2);
    expect([next.from, stand.answer(next, A2)]).toEqual(["resident", 52]);
  });

  it("leaves nobody in its slot where the server failed, and nothing there that the next one goes on from", async () => {
    const stand = new SlotStand();
    const seat = await stand.seated("a", A);
    stand.server.begin(seat.slot, { prompt: A, output: ANSWER }).cut(2);
    seat.leave({ kind: "failed" });
    await settle();
    expect([stand.desk.load.residents, stand.displaced]).toEqual([0, ["cleared"]]);
    await stand.seated("a", A2);
    expect([stand.seats.at(-1), stand.server.wordsIn(0)]).toEqual(["fresh nothing_stored", []]);
  });

  it("holds its slot until it runs no more", async () => {
    const stand = new SlotStand({ slots: 1 });
    const seat = await stand.seated("a", A);
    const running = stand.server.begin(0, { prompt: A, output: ANSWER });
    seat.leave({ kind: "unknown" });
    const waiting = stand.seat("b", B);
    await stand.advance(2_000);
    expect(stand.seats).toHaveLength(1);
    running.cut(1);
    await stand.advance(1_000);
    expect(await waiting).toMatchObject({ from: "fresh" });
  });

  it("leaves what was there where it never reached the server", async () => {
    const stand = new SlotStand();
    await stand.turn("a", A);
    (await stand.seated("a", A2)).leave({ kind: "unsent" });
    expect((await stand.seated("a", A2)).from).toBe("resident");
  });

  it("leaves what was there where it ran in another slot", async () => {
    const stand = new SlotStand();
    await stand.turn("a", A);
    const seat = await stand.seated("a", A2);
    seat.leave({ kind: "answered", promptTokens: 64, outputTokens: 4 });
    await settle();
    expect(await stand.seated("a", A2)).toMatchObject({ from: "resident", reusedTokens: 53 });
  });

  it("leaves nobody in a slot that the server has cleared since", async () => {
    const stand = new SlotStand();
    const seat = await stand.seated("a", A);
    stand.server.begin(seat.slot, { prompt: A, output: ANSWER }).cut(2);
    stand.server.clear(seat.slot);
    seat.leave({ kind: "unknown" });
    await settle();
    expect([stand.desk.load.residents, stand.displaced]).toEqual([0, ["cleared"]]);
  });

  it("is left once: what is said of it later is not heard", async () => {
    const stand = new SlotStand({ slots: 1 });
    const seat = await stand.seated("a", A);
    seat.leave({ kind: "unsent" });
    const other = await stand.seated("b", B);
    seat.leave({ kind: "unsent" });
    expect(await stand.seat("c", C, { forMs: 0 })).toBe("slots_busy");
    other.leave({ kind: "unsent" });
  });
});
