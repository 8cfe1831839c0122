/** What becomes of the slots of sessions that are over. */
import { describe, expect, it } from "vitest";

import { settle } from "../../support/fake-clock.ts";
import { SlotStand, text } from "../../support/kv/slot-stand.ts";

const A = text("a", 50);
const B = text("b", 50);
const SESSION = { tenant: "", id: "a" };

describe("a session that is over", () => {
  it("is erased from its slot at once, where that is free", async () => {
    const stand = new SlotStand();
    const seat = await stand.turn("a", A);
    stand.desk.end(SESSION);
    await settle();
    expect([stand.server.wordsIn(seat.slot), stand.desk.load.residents]).toEqual([[], 0]);
  });

  it("is erased when its turn is over, and not saved", async () => {
    const stand = new SlotStand();
    const seat = await stand.seated("a", A);
    stand.desk.end(SESSION);
    expect(stand.server.calls).toEqual(["erase 0"]);
    stand.answer(seat, A);
    await settle();
    expect(stand.server.calls).toEqual(["erase 0", "erase 0"]);
    expect((await stand.seated("b", B)).slot).toBe(0);
  });

  it("is resident nowhere, also where its slot cannot be erased", async () => {
    const stand = new SlotStand();
    const seat = await stand.seated("a", A);
    stand.desk.end(SESSION);
    stand.server.faults.erase.push("refused");
    stand.answer(seat, A);
    await settle();
    expect([stand.desk.load.residents, stand.failed]).toEqual([0, ["erase"]]);
  });

  it("leaves its slot to nobody while the server may be erasing it", async () => {
    const stand = new SlotStand({ slots: 1 });
    await stand.turn("a", A);
    stand.server.faults.erase.push("lost");
    stand.server.delaysMs.erase = 5_000;
    stand.desk.end(SESSION);
    const waiting = stand.seat("b", B);
    await stand.advance(4_999);
    expect(stand.seats).toHaveLength(1);
    stand.server.delaysMs.erase = 0;
    await stand.advance(1);
    expect(await waiting).toMatchObject({ from: "fresh" });
  });

  it("leaves a slot alone where another session sits by now", async () => {
    const stand = new SlotStand({ slots: 1 });
    await stand.turn("a", A);
    const seat = await stand.turn("b", B);
    stand.desk.end(SESSION);
    await settle();
    expect(stand.server.wordsIn(seat.slot)).toHaveLength(53);
  });
});
