/** When and how residents are saved. */
import { describe, expect, it } from "vitest";

import { settle } from "../../support/fake-clock.ts";
import { bytesOf } from "../../support/kv/slot-server-model.ts";
import { ANSWER, sessionOf, SlotStand, text } from "../../support/kv/slot-stand.ts";

const A = text("a", 50);
const A2 = `${A} ${ANSWER} ${text("more", 10)}`;
const B = text("b", 50);

describe("after every turn", () => {
  it("a session is saved, with as many tokens as are in its slot", async () => {
    const stand = new SlotStand();
    await stand.turn("a", A);
    expect(stand.saves).toMatchObject([{ outcome: "kept", tokens: 53, bytes: bytesOf(53) }]);
    expect(stand.snapshots.of(sessionOf("a"))?.words).toHaveLength(53);
    expect(stand.server.files.size).toBe(0);
  });

  it("is nothing saved of fewer prompt tokens than the least", async () => {
    const stand = new SlotStand({ minTokens: 51 });
    await stand.turn("a", A);
    expect(stand.saves).toEqual([]);
    await stand.turn("b", text("b", 51));
    expect(stand.saves).toHaveLength(1);
  });

  it("is nothing saved that the session's class does not admit, and its session is where it was", async () => {
    for (const save of ["every_turn", "on_evict"] as const) {
      const stand = new SlotStand({ slots: 1, save });
      stand.snapshots.isAdmitted = false;
      await stand.turn("a", A);
      expect((await stand.turn("a", A2)).from).toBe("resident");
      await stand.turn("b", B);
      expect(stand.saves).toEqual([]);
    }
  });

  it.each([
    [54, 1, "resident"],
    [53, 0, "fresh"],
  ])(
    "is nothing saved where a slot of %s tokens cannot hold prompt and answer, and nobody resident",
    async (contextTokens, saves, from) => {
      const stand = new SlotStand({ contextTokens });
      await stand.turn("a", A); // 50 and 4
      expect(stand.saves).toHaveLength(saves);
      expect((await stand.turn("a", A)).from).toBe(from);
    },
  );

  it("nobody else gets the slot before it is saved, and anybody while that is listed", async () => {
    const stand = new SlotStand({ slots: 1 });
    const listed = Promise.withResolvers<void>();
    stand.snapshots.keeps.push(listed.promise);
    stand.server.delaysMs.save = 700;
    await stand.turn("a", A);
    const waiting = stand.seat("b", B);
    await stand.advance(699);
    expect(stand.seats).toHaveLength(1);
    await stand.advance(1);
    await waiting;
    expect([stand.seats.length, stand.saves]).toEqual([2, []]);
    listed.resolve();
    await settle();
    expect(stand.saves).toMatchObject([{ outcome: "kept", elapsedMs: 700 }]);
  });

  it("the session's next turn waits for its save, and for no longer than it may", async () => {
    const stand = new SlotStand();
    stand.server.delaysMs.save = 700;
    await stand.turn("a", A);
    const [hurried, patient] = [stand.seat("a", A2, { forMs: 300 }), stand.seat("a", A2)];
    await stand.advance(300);
    expect(await hurried).toBe("slots_busy");
    await stand.advance(400);
    expect(await patient).toMatchObject({ from: "resident" });
  });

  it("a session that lost its slot waits until its file is listed", async () => {
    const stand = new SlotStand({ slots: 1 });
    const listed = Promise.withResolvers<void>();
    stand.snapshots.keeps.push(listed.promise);
    await stand.turn("a", A);
    await stand.turn("b", B);
    const waiting = stand.seat("a", A2);
    await settle();
    expect(stand.seats).toHaveLength(2);
    listed.resolve();
    expect(await waiting).toMatchObject({ from: "restored" });
  });
});

describe("a location that hangs while a session is listed", () => {
  it("takes no slot along: the next one there is saved as soon as that is over", async () => {
    const stand = new SlotStand({ slots: 1 });
    const listed = Promise.withResolvers<void>();
    stand.snapshots.keeps.push(listed.promise);
    await stand.turn("a", A);
    await stand.turn("b", B);
    expect(stand.server.calls).toEqual(["erase 0", "save 0"]);
    listed.resolve();
    await settle();
    expect(stand.saves.map(({ outcome }) => outcome)).toEqual(["kept", "kept"]);
    expect(stand.snapshots.of(sessionOf("b"))).toBeDefined();
  });

  it("keeps the next one there for a second, and then costs the one that has to go its last turn", async () => {
    const stand = new SlotStand({ slots: 1 });
    stand.snapshots.keeps.push(new Promise(() => {}));
    await stand.turn("a", A);
    await stand.turn("b", B);
    const displacing = stand.seat("c", text("c", 50));
    await stand.advance(1_000);
    expect(await displacing).toMatchObject({ from: "fresh" });
    expect(stand.displaced).toEqual(["other", "other"]);
    expect(stand.clock.pendingTimers).toBe(0);
  });
});

describe("a save that fails", () => {
  it.each([["refused"], ["unsound"]] as const)(
    "costs no turn anything, and the session stays where it is (%s)",
    async (code) => {
      const stand = new SlotStand();
      stand.server.faults.save.push(code);
      await stand.turn("a", A);
      expect(stand.saves).toMatchObject([{ outcome: code, bytes: 0, tokens: 0 }]);
      expect(stand.server.files.size).toBe(0);
      expect((await stand.turn("a", A2)).from).toBe("resident");
      expect(stand.saves[1]?.outcome).toBe("kept");
    },
  );

  it("without an answer keeps the slot until the server says that it is over", async () => {
    const stand = new SlotStand({ slots: 1 });
    stand.server.faults.save.push("lost");
    stand.server.delaysMs.save = 5_000;
    await stand.turn("a", A);
    expect(stand.saves).toMatchObject([{ outcome: "lost" }]);
    const waiting = stand.seat("a", A2);
    await stand.advance(4_999);
    expect(stand.seats).toHaveLength(1);
    await stand.advance(1);
    expect(await waiting).toMatchObject({ from: "resident" });
  });

  it("by an answer of too few or too many tokens leaves neither file nor residency", async () => {
    for (const [surplus, outcome, from] of [
      [-4, "miscounted", "fresh"],
      [-3, "kept", "resident"],
      [1, "kept", "resident"],
      [2, "miscounted", "fresh"],
    ] as const) {
      const stand = new SlotStand();
      stand.server.surplus.tokens = surplus;
      await stand.turn("a", A);
      expect(stand.saves[0]?.outcome).toBe(outcome);
      expect(stand.server.files.size).toBe(0);
      expect((await stand.seated("a", A2)).from).toBe(from);
    }
  });

  it("because somebody used the slot meanwhile leaves neither file nor residency", async () => {
    const stand = new SlotStand();
    stand.server.delaysMs.save = 100;
    const seat = await stand.turn("a", A);
    stand.server.overwrite(seat.slot, text("z", 52));
    await stand.advance(100);
    expect([stand.saves[0]?.outcome, stand.displaced]).toEqual(["stranger", ["stranger"]]);
    expect([stand.server.files.size, stand.snapshots.kept]).toEqual([0, []]);
  });

  it("because it is not listed is tried again when its slot is wanted", async () => {
    const stand = new SlotStand({ slots: 1 });
    stand.snapshots.keeps.push({ kind: "dropped", reason: "no_space" });
    await stand.turn("a", A);
    await stand.turn("b", B);
    expect(stand.saves.map(({ outcome }) => outcome)).toEqual(["no_space", "kept", "kept"]);
    expect((await stand.seated("a", A2)).from).toBe("restored");
  });

  it("because listing it throws is told, and the session goes on", async () => {
    const stand = new SlotStand();
    stand.snapshots.keeps.push(Promise.reject(new Error("a bug")));
    await stand.turn("a", A);
    expect([stand.saves[0]?.outcome, stand.failed]).toEqual(["failed", ["keep"]]);
    expect((await stand.seated("a", A2)).from).toBe("resident");
  });
});

describe("when its slot is wanted", () => {
  it("a session is saved before it goes, once", async () => {
    const stand = new SlotStand({ slots: 1, save: "on_evict" });
    await stand.turn("a", A);
    expect(stand.saves).toEqual([]);
    await stand.turn("b", B);
    expect(stand.saves).toMatchObject([{ outcome: "kept", tokens: 53 }]);
    expect(stand.displaced).toEqual(["other"]);
    const back = await stand.seated("a", A2);
    expect(back.from).toBe("restored");
    back.leave({ kind: "unsent" });
    await stand.turn("c", text("c", 50));
    expect(stand.saves).toHaveLength(2);
  });

  it("goes without being saved where it is not there any more", async () => {
    const stand = new SlotStand({ slots: 1, save: "on_evict" });
    await stand.turn("a", A);
    stand.server.intrude(0, text("z", 52));
    await stand.turn("b", B);
    expect([stand.saves, stand.displaced]).toEqual([[], ["stranger"]]);
  });

  it("goes all the same where it cannot be saved", async () => {
    const stand = new SlotStand({ slots: 1, save: "on_evict" });
    await stand.turn("a", A);
    stand.server.faults.save.push("refused");
    expect((await stand.turn("b", B)).from).toBe("fresh");
    expect(stand.saves).toMatchObject([{ outcome: "refused" }]);
  });

  it("stays where nobody waits any more once it is saved", async () => {
    const stand = new SlotStand({ slots: 1, save: "on_evict" });
    await stand.turn("t/a", A);
    stand.server.delaysMs.save = 500;
    const waiting = stand.seat("u/b", B, { forMs: 400 });
    await stand.advance(400);
    expect(await waiting).toBe("slots_busy");
    await stand.advance(100);
    expect(stand.displaced).toEqual([]);
    const seat = await stand.seated("t/a", A2);
    expect([seat.from, stand.answer(seat, A2)]).toEqual(["resident", 53]);
  });

  it("is not saved for a client that has left before that was begun", async () => {
    const stand = new SlotStand({ slots: 1, save: "on_evict" });
    await stand.turn("a", A);
    stand.server.delaysMs.look = 100;
    const waiting = stand.seat("b", B, { forMs: 50 });
    await stand.advance(200);
    expect([await waiting, stand.saves]).toEqual(["slots_busy", []]);
  });
});

describe("when it was not used for a while", () => {
  const idle = { save: "idle", idleMs: 1_000 } as const;

  it("a session is saved, and stays", async () => {
    const stand = new SlotStand(idle);
    await stand.turn("a", A);
    await stand.advance(999);
    expect(stand.saves).toEqual([]);
    await stand.advance(1);
    expect(stand.saves).toMatchObject([{ outcome: "kept" }]);
    expect((await stand.seated("a", A2)).from).toBe("resident");
  });

  it("is counted from its last turn", async () => {
    const stand = new SlotStand(idle);
    await stand.turn("a", A);
    await stand.advance(900);
    await stand.turn("a", A2);
    await stand.advance(999);
    expect(stand.saves).toEqual([]);
    await stand.advance(1);
    expect(stand.saves).toHaveLength(1);
  });

  it("goes on to be counted after a turn that never reached the server", async () => {
    const stand = new SlotStand(idle);
    await stand.turn("a", A);
    await stand.advance(400);
    (await stand.seated("a", A2)).leave({ kind: "unsent" });
    await stand.advance(599);
    expect(stand.saves).toEqual([]);
    await stand.advance(1);
    expect(stand.saves).toHaveLength(1);
  });

  it("is saved as soon as the server says again what is in its slots", async () => {
    const stand = new SlotStand(idle);
    await stand.turn("a", A);
    stand.server.faults.look.push("lost", "lost");
    await stand.advance(1_030);
    expect([stand.saves.length, stand.failed]).toEqual([1, ["look", "look"]]);
  });

  it("is not tried over and over where it fails", async () => {
    const stand = new SlotStand(idle);
    stand.server.faults.save.push("refused");
    await stand.turn("a", A);
    await stand.advance(60_000);
    expect(stand.saves).toHaveLength(1);
  });

  it("is not saved where somebody else was in the slot", async () => {
    const stand = new SlotStand(idle);
    await stand.turn("a", A);
    stand.server.intrude(0, text("z", 52));
    await stand.advance(1_000);
    expect([stand.saves, stand.displaced]).toEqual([[], ["stranger"]]);
  });
});
