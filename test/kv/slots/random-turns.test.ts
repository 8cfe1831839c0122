import { expect, it } from "vitest";

import type { SessionKey } from "../../../src/kv/records.ts";
import { RandomSlotTurns } from "../../support/kv/random-slot-turns.ts";
import { ANSWER } from "../../support/kv/slot-stand.ts";
import { wordsOf } from "../../support/kv/slot-server-model.ts";

it("gives each slot to one turn, answers everybody in time, and keeps of a session what is its own, whatever fails", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const turns = new RandomSlotTurns(seed);
    const { stand } = turns;
    await turns.run(120);
    expect([seed, turns.flaws, turns.asked - turns.answered]).toEqual([seed, [], 0]);
    await turns.calm();
    expect([seed, stand.failed.filter((call) => call === "seat")]).toEqual([seed, []]);
    for (const { session, words } of stand.snapshots.kept) {
      const strange = words.filter((word) => !isOf(word, session));
      expect([seed, session, strange]).toEqual([seed, session, []]);
    }
    const closed = stand.desk.close(1_000);
    await stand.advance(5_000);
    await closed;
    expect([seed, stand.clock.pendingTimers]).toEqual([seed, 0]);
  }
});

function isOf(word: string, session: SessionKey): boolean {
  const own = session.tenant === "" ? session.id : `${session.tenant}/${session.id}`;
  return word.startsWith(`${own}:`) || wordsOf(ANSWER).includes(word);
}
