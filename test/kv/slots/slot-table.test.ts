import { describe, expect, it } from "vitest";

import {
  lossOf,
  type Resident,
  type Saving,
  scopeOf,
  SlotTable,
} from "../../../src/kv/slots/slot-table.ts";
import { sessionOf } from "../../support/kv/slot-stand.ts";
import { seededRandom } from "../../support/random.ts";

function residentOf(id: string, changes: Partial<Resident> = {}): Resident {
  const session = sessionOf(id);
  const prompt = { context: {}, bytes: new TextEncoder().encode(id) };
  const state = { tokens: 100, counts: undefined, saving: "none" as Saving, usedAtMs: 0 };
  return { session, scope: scopeOf(session, prompt), prompt, ...state, ...changes };
}

/** Each in a slot of its own. */
function tableOf(residents: readonly (Resident | undefined)[]): SlotTable {
  const table = new SlotTable(residents.length);
  for (const [slot, resident] of residents.entries()) {
    if (resident !== undefined) table.put(slot, { kind: "resident", resident });
  }
  return table;
}

const LOOK = { id: 0, isBusy: false, task: undefined, tokens: 100, guesses: false };

describe("the slot that a session is given", () => {
  it("is one where nobody is resident", () => {
    const table = tableOf([residentOf("a", { tokens: 1, usedAtMs: -1e9 }), undefined]);
    expect(table.cheapest(0)).toBe(1);
  });

  it("is that with the fewest tokens, of residents that were used at the same time", () => {
    const table = tableOf([residentOf("a", { tokens: 101 }), residentOf("b", { tokens: 100 })]);
    expect(table.cheapest(0)).toBe(1);
  });

  it("is that of twice the tokens once it was not used for more than a minute longer", () => {
    const residents = [residentOf("a", { tokens: 200 }), residentOf("b", { usedAtMs: 60_000 })];
    expect(tableOf(residents).cheapest(60_000)).toBe(0);
    const [, late = residentOf("b")] = residents;
    const sooner = { ...late, usedAtMs: 59_999 };
    expect(tableOf([residents[0], sooner]).cheapest(60_000)).toBe(1);
  });

  it.each([["due"], ["tried"]] as const)(
    "is not of one that costs a save, at up to twice the tokens (%s)",
    (saving) => {
      const dear = residentOf("a", { saving });
      expect(tableOf([dear, residentOf("b", { tokens: 199 })]).cheapest(0)).toBe(1);
      expect(tableOf([dear, residentOf("b", { tokens: 201 })]).cheapest(0)).toBe(0);
    },
  );

  it("is that which was not used for longest, where the loss is the same", () => {
    const old = residentOf("a", { tokens: 0, usedAtMs: 1 });
    expect(tableOf([residentOf("b", { tokens: 0, usedAtMs: 2 }), old]).cheapest(5)).toBe(1);
  });

  it("is none that is held", () => {
    const table = tableOf([undefined, residentOf("a")]);
    table.hold(0);
    expect(table.cheapest(0)).toBe(1);
    table.hold(1);
    expect(table.cheapest(0)).toBeUndefined();
    table.free(0);
    expect(table.cheapest(0)).toBe(0);
  });

  it("costs least of all that are free, whoever is resident where", () => {
    const random = seededRandom(7);
    const savings: readonly Saving[] = ["due", "tried", "listing", "none"];
    for (let run = 0; run < 500; run++) {
      const residents = Array.from({ length: 6 }, (_, at) => {
        if (random() < 0.1) return undefined;
        const saving = savings[Math.floor(random() * 4)] ?? "none";
        const tokens = Math.floor(random() * 50);
        return residentOf(`s${at}`, { saving, tokens, usedAtMs: Math.floor(random() * 300_000) });
      });
      const table = tableOf(residents);
      const free = residents.flatMap((resident, slot) => {
        if (random() < 0.3) table.hold(slot);
        const loss = resident === undefined ? 0 : lossOf(resident, 200_000);
        return table.isFree(slot) ? [loss] : [];
      });
      const slot = table.cheapest(200_000);
      const chosen = slot === undefined ? undefined : residents[slot];
      const loss = chosen === undefined ? 0 : lossOf(chosen, 200_000);
      expect(slot === undefined ? [] : [loss]).toEqual(free.toSorted((a, b) => a - b).slice(0, 1));
    }
  });
});

describe("the table of slots", () => {
  it("knows a session in one slot at most", () => {
    const table = tableOf([residentOf("a"), undefined]);
    table.put(1, { kind: "resident", resident: residentOf("a") });
    expect([table.homeOf(sessionOf("a")), table.residents]).toEqual([1, 1]);
  });

  it("tells sessions of two tenants apart that have the same id", () => {
    const table = tableOf([residentOf("t/a")]);
    expect(table.homeOf(sessionOf("u/a"))).toBeUndefined();
  });

  it("lets nobody hold or free a slot twice", () => {
    const table = new SlotTable(1);
    table.hold(0);
    expect(() => table.hold(0)).toThrow("held already");
    table.free(0);
    expect(() => table.free(0)).toThrow("free already");
    expect(() => table.hold(1)).toThrow("none of 1");
  });

  it("believes in a resident as long as no other request was seen in its slot", () => {
    const table = new SlotTable(1);
    table.ran(0, 7, { kind: "resident", resident: residentOf("a") });
    expect(table.see(0, { ...LOOK, task: 7 })).toBeUndefined();
    expect(table.see(0, { ...LOOK, task: 8 })).toBe("stranger");
    expect(table.content(0)).toEqual({ kind: "unknown" });
    expect(table.see(0, { ...LOOK, task: 9 })).toBeUndefined();
  });

  it("believes in no resident where something else was restored, which is no request", () => {
    const table = tableOf([residentOf("a")]);
    expect(table.see(0, { ...LOOK, tokens: LOOK.tokens + 1 })).toBe("stranger");
    expect(table.content(0)).toEqual({ kind: "unknown" });
  });

  it("believes in no resident where the slot is empty, and that its like may be there all the same", () => {
    const table = tableOf([residentOf("a")]);
    expect(table.see(0, { ...LOOK, tokens: 0 })).toBe("cleared");
    expect([table.residents, table.isOpenTo(0, residentOf("a").scope)]).toEqual([0, true]);
  });

  it("opens a slot to whose it is: of another tenant, salt or extra key it has to be erased first", () => {
    const table = tableOf([residentOf("t/a")]);
    const scopeAs = (tenant: string, context: object) =>
      scopeOf({ tenant, id: "x" }, { context, bytes: new Uint8Array(0) });
    const scopes = [
      scopeAs("t", {}),
      scopeAs("t", { cacheSalt: "" }),
      scopeAs("u", {}),
      scopeAs("t", { cacheSalt: "s" }),
      scopeAs("t", { extraKey: "s" }),
    ];
    const opens = () => scopes.map((scope) => table.isOpenTo(0, scope));
    expect(opens()).toEqual([true, true, false, false, false]);
    table.forget(0);
    expect(opens()).toEqual([true, true, false, false, false]);
    table.put(0, { kind: "unknown" });
    expect(opens()).toEqual([false, false, false, false, false]);
    table.put(0, { kind: "nothing" });
    expect(opens()).toEqual([true, true, true, true, true]);
  });

  it("amends the resident that is there, and none that came after it", () => {
    const [old, young] = [residentOf("a"), residentOf("a", { tokens: 200 })];
    const table = tableOf([old]);
    table.put(0, { kind: "resident", resident: young });
    table.amend(0, old, "tried");
    expect(table.resident(0)).toBe(young);
    table.amend(0, young, "tried");
    expect(table.resident(0)?.saving).toBe("tried");
  });

  it("names who is to be saved next by its last use, the latest first", () => {
    const saving = "due";
    const table = tableOf([
      residentOf("a", { saving, usedAtMs: 1 }),
      residentOf("b", { saving: "tried", usedAtMs: 3 }),
      residentOf("c", { saving, usedAtMs: 2 }),
      residentOf("d", { saving: "listing", usedAtMs: 9 }),
      residentOf("e", { saving, usedAtMs: 8 }),
    ]);
    table.hold(4);
    const passed = new Set<number>();
    for (let next = table.nextToSave(passed); next !== undefined; next = table.nextToSave(passed)) {
      passed.add(next);
    }
    expect([...passed]).toEqual([1, 2, 0]);
  });
});
