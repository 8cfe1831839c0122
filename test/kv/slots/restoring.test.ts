/** What is restored, when that is worth it, and what becomes of a restore that fails. */
import { beforeEach, describe, expect, it } from "vitest";

import { REFUSED_FOR_MS } from "../../../src/kv/slots/refused-snapshots.ts";
import { settle } from "../../support/fake-clock.ts";
import { bytesOf } from "../../support/kv/slot-server-model.ts";
import { ANSWER, SlotStand, text } from "../../support/kv/slot-stand.ts";

const A = text("a", 50);
const A2 = `${A} ${ANSWER} ${text("more", 10)}`;
const B = text("b", 50);

let stand: SlotStand;

/** One slot, with b in it; a has a snapshot. */
beforeEach(async () => {
  stand = new SlotStand({ slots: 1 });
  await stand.turn("a", A);
  await stand.turn("b", B);
  stand.seats.length = 0;
});

describe("a snapshot", () => {
  it("is passed over where it spares fewer than 32 tokens", async () => {
    const common = (words: number) => `${text("a", words)} ${text("z", 50)}`;
    (await stand.seated("a", common(31))).leave({ kind: "unsent" });
    expect((await stand.seated("a", common(32))).from).toBe("restored");
    expect(stand.seats).toEqual(["fresh not_worth", "restored"]);
  });

  it("is passed over where it is longer than a slot", async () => {
    for (const [contextTokens, from] of [
      [52, "fresh not_worth"],
      [53, "restored"],
    ] as const) {
      stand = new SlotStand({ slots: 1 });
      await stand.turn("a", A);
      await stand.turn("b", B);
      stand.server.contextTokens = contextTokens;
      await stand.seated("a", A2);
      expect(stand.seats.at(-1)).toBe(from);
    }
  });

  it("is passed over where restoring took longer than there is time, and tried again in the end", async () => {
    stand.server.delaysMs.restore = 1_000;
    const first = stand.seated("a", A2);
    await stand.advance(1_000);
    (await first).leave({ kind: "unsent" });
    stand.seats.length = 0;
    stand.server.delaysMs.restore = 0;
    const hurried = async () => {
      await stand.turn("new", text(`n${stand.seats.length}-`, 50));
      (await stand.seated("a", A2, { forMs: 950 })).leave({ kind: "unsent" });
      return stand.seats.at(-1);
    };
    expect(await hurried()).toBe("fresh late");
    expect(await hurried()).toBe("restored");
  });

  it("is passed over where computing takes less time than restoring took", async () => {
    stand.server.delaysMs.restore = 1_000;
    const first = stand.seated("a", A2);
    await stand.advance(1_000);
    (await first).leave({ kind: "unsent" });
    await stand.turn("new", text("n", 50));
    const gainingMs = (ms: number) => (stored: number) => (stored > 0 ? 0 : ms);
    (await stand.seated("a", A2, { turnMs: gainingMs(999) })).leave({ kind: "unsent" });
    expect(stand.seats.at(-1)).toBe("fresh not_worth");
  });

  it("takes the place of the session's own tokens where it spares 32 more of them", async () => {
    const other = text("o", 80);
    await stand.turn("parent", other);
    const parting = `${text("o", 30)} ${text("p", 50)}`;
    await stand.turn("child", parting);
    const seat = await stand.seated("child", `${other} ${ANSWER} on`);
    expect([seat.from, seat.reusedTokens]).toEqual(["restored", 83]);
  });

  it("is left where it is while the session's own tokens are as many, but for 31", async () => {
    const told = `${text("o", 49)} p0`;
    const parting = `${text("o", 20)} ${text("q", 30)}`;
    await stand.turn("parent", text("o", 47));
    await stand.turn("child", parting);
    const seat = await stand.seated("child", told);
    expect([seat.from, seat.reusedTokens]).toEqual(["resident", 19]);
  });

  it("is not looked for where the prompt goes on from all that is in the session's slot", async () => {
    const before = stand.snapshots.asked.length;
    await stand.turn("b", `${B} ${ANSWER} ${text("more", 10)}`);
    expect([stand.seats, stand.snapshots.asked.length]).toEqual([["resident"], before]);
  });

  it("is looked for with the time that the turn has, and what it may gain", async () => {
    const signal = new AbortController().signal;
    const turnMs = () => 7;
    const untilMs = stand.clock.now() + 777;
    await stand.seated("a", A2, { signal, turnMs, untilMs });
    expect(stand.snapshots.asked.at(-1)).toMatchObject({
      location: "disk",
      geometry: stand.server.geometry,
      hold: { turnMs, untilMs },
    });
  });

  it.each([["no_session"], ["location_unknown"], ["catalog_failed"]] as const)(
    "that is not found leaves a turn fresh, for its reason (%s)",
    async (reason) => {
      stand.snapshots.finds.push(reason);
      await stand.turn("a", A2);
      expect(stand.seats).toEqual([`fresh ${reason}`]);
    },
  );

  it("that cannot be looked for leaves a turn fresh", async () => {
    stand.snapshots.finds.push(Promise.reject(new Error("a bug")));
    await stand.turn("a", A2);
    expect([stand.seats, stand.failed]).toEqual([["fresh catalog_failed"], ["find"]]);
  });

  it.each([["damaged"], ["unreadable"]] as const)(
    "that is %s leaves a turn fresh, and was never given to the server",
    async (reason) => {
      stand.snapshots.stages.push(reason);
      await stand.turn("a", A2);
      expect([stand.seats, stand.restores]).toEqual([[`fresh ${reason}`], []]);
    },
  );
});

describe("a slot", () => {
  it.each([
    [true, ["erase 0", "restore 0"]],
    [false, ["restore 0"]],
  ])("of a server that guesses (%s) is erased before what is restored", async (guesses, calls) => {
    stand.server.guesses = guesses;
    stand.server.calls.length = 0;
    expect((await stand.seated("a", A2)).from).toBe("restored");
    expect(stand.server.calls).toEqual(calls);
  });

  it("that such a server does not erase has nothing restored, for which the snapshot is not to blame", async () => {
    stand.server.guesses = true;
    stand.server.faults.erase.push("refused");
    (await stand.seated("a", A2)).leave({ kind: "unsent" });
    expect([stand.seats, stand.failed, stand.restores]).toEqual([
      ["fresh restore_failed"],
      ["erase"],
      [],
    ]);
    expect((await stand.seated("a", A2)).from).toBe("restored");
  });
});

describe("a restore that fails", () => {
  it.each([["refused"], ["unsound"]] as const)(
    "leaves an empty slot to a fresh turn (%s)",
    async (code) => {
      stand.server.faults.restore.push(code);
      const seat = await stand.seated("a", A2);
      expect([stand.seats, stand.server.wordsIn(0)]).toEqual([["fresh restore_failed"], []]);
      expect(stand.restores).toEqual([{ outcome: code, elapsedMs: 0, bytes: bytesOf(53) }]);
      expect(stand.server.files.size).toBe(0);
      stand.answer(seat, A2);
      await settle();
      expect((await stand.seated("a", A2)).from).toBe("resident");
    },
  );

  it.each([["tokens"], ["bytes"]] as const)(
    "of other %s than were saved leaves an empty slot",
    async (of) => {
      stand.server.surplus[of] = 1;
      await stand.seated("a", A2);
      expect([stand.seats, stand.server.wordsIn(0)]).toEqual([["fresh restore_failed"], []]);
      expect(stand.restores).toMatchObject([{ outcome: "mismatch" }]);
    },
  );

  it("is tried again with another snapshot at once, and with that one in five minutes", async () => {
    stand.server.faults.restore.push("refused");
    const wish = async (id: string, prompt: string) => {
      (await stand.seated(id, prompt)).leave({ kind: "unsent" });
      return stand.seats.at(-1);
    };
    for (let turn = 0; turn < 3; turn++) expect(await wish("a", A2)).toBe("fresh restore_failed");
    expect([stand.restores.length, stand.server.calls.slice(-2)]).toEqual([
      1,
      ["restore 0", "erase 0"],
    ]);
    expect(await wish("b", B)).toBe("restored");
    await stand.advance(REFUSED_FOR_MS - 1);
    expect(await wish("a", A2)).toBe("fresh restore_failed");
    await stand.advance(1);
    expect(await wish("a", A2)).toBe("restored");
  });

  it("by no answer leaves its turn without a slot, and the slot to nobody until the server says so", async () => {
    stand.server.faults.restore.push("lost");
    stand.server.delaysMs.restore = 5_000;
    expect(await stand.seat("a", A2)).toBe("engine_unknown");
    const waiting = stand.seat("c", text("c", 50));
    await stand.advance(4_999);
    expect(stand.seats).toHaveLength(1);
    await stand.advance(1);
    expect(await waiting).toMatchObject({ from: "fresh" });
    expect(stand.server.files.size).toBe(0);
  });
});

describe("a client that leaves", () => {
  it("while its snapshot is restored is not waited for: the next turn finds it there", async () => {
    const leaving = new AbortController();
    stand.server.delaysMs.restore = 500;
    const waiting = stand.seat("a", A2, { signal: leaving.signal });
    await stand.advance(100);
    leaving.abort();
    expect(await waiting).toBe("client_gone");
    await stand.advance(400);
    const seat = await stand.seated("a", A2);
    expect([seat.from, stand.answer(seat, A2), stand.restores.length]).toEqual(["resident", 53, 1]);
  });

  it("while its snapshot is checked has it restored by nobody", async () => {
    const leaving = new AbortController();
    const checked = Promise.withResolvers<void>();
    stand.snapshots.stages.push(checked.promise);
    const waiting = stand.seat("a", A2, { signal: leaving.signal });
    await settle();
    leaving.abort();
    checked.resolve();
    await waiting;
    await settle();
    expect([stand.restores, stand.server.files.size]).toEqual([[], 0]);
    expect((await stand.seated("b", B)).from).toBe("restored");
  });

  it("while its snapshot is looked for takes nobody's slot", async () => {
    const leaving = new AbortController();
    const found = Promise.withResolvers<void>();
    stand.snapshots.finds.push(found.promise);
    const waiting = stand.seat("a", A2, { signal: leaving.signal });
    await settle();
    leaving.abort();
    await waiting;
    expect((await stand.seated("b", B)).from).toBe("resident");
    found.resolve();
    await settle();
    expect(stand.displaced).toEqual(["other"]);
  });
});

describe("a location that hangs while a snapshot is read", () => {
  it("takes no slot along, and the next turns try it no more for a while", async () => {
    const staged = Promise.withResolvers<void>();
    stand.snapshots.stages.push(staged.promise);
    const waiting = stand.seat("a", A2, { forMs: 1_000 });
    await stand.advance(1_000);
    expect(await waiting).toBe("slots_busy");
    const next = await stand.seated("a", A2, { forMs: 1_000 });
    expect(next).toMatchObject({ from: "fresh", why: "late" });
    staged.resolve();
    await settle();
    expect(stand.server.files.size).toBe(0);
  });
});
