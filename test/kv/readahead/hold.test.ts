import { describe, expect, it } from "vitest";

import { chooseHold, type Prospect, TRY_MS } from "../../../src/kv/readahead/hold.ts";

/** A copy takes so long, and the turn then. */
function known(leftMs: number, turnMs: number): Prospect {
  return { left: { ms: leftMs, isKnown: true }, storedTokens: 0, turnMs };
}

function unknown(storedTokens: number, leftMs = 0): Prospect {
  return { left: { ms: leftMs, isKnown: false }, storedTokens, turnMs: undefined };
}

const LIMIT_MS = 10_000;

describe("the choice of what is waited for", () => {
  it("is nothing where computing is cheaper than copying", () => {
    expect(chooseHold([known(0, 500), known(600, 100)], LIMIT_MS)).toBeUndefined();
  });

  it("is nothing where it is the same", () => {
    expect(chooseHold([known(0, 500), known(400, 100)], LIMIT_MS)).toBeUndefined();
  });

  it("is the copy where it is there sooner than its tokens are computed", () => {
    const choice = chooseHold([known(0, 500), known(399, 100)], LIMIT_MS);
    expect(choice).toEqual({ copies: 1, leftMs: 399, gainMs: 400 });
  });

  it("is as many copies as make the turn shortest", () => {
    const prospects = [known(0, 1_000), known(100, 500), known(200, 300), known(600, 100)];
    expect(chooseHold(prospects, LIMIT_MS)?.copies).toBe(2);
  });

  it("passes over a copy that gains nothing by itself, for one behind it", () => {
    const prospects = [known(0, 1_000), known(100, 1_000), known(200, 100)];
    expect(chooseHold(prospects, LIMIT_MS)?.copies).toBe(2);
  });

  it("is nothing that takes longer than anybody may wait", () => {
    const prospects = [known(0, 60_000), known(LIMIT_MS, 100)];
    expect(chooseHold(prospects, LIMIT_MS)).toBeUndefined();
    expect(chooseHold(prospects, LIMIT_MS + 1)?.copies).toBe(1);
  });

  it("tries for a while where nothing is known, if there is more to load by it", () => {
    const gainMs = TRY_MS;
    expect(chooseHold([unknown(0), unknown(8)], LIMIT_MS)).toMatchObject({ copies: 1, gainMs });
    expect(chooseHold([unknown(8), unknown(8)], LIMIT_MS)).toBeUndefined();
    expect(chooseHold([unknown(0), unknown(8, TRY_MS)], LIMIT_MS)).toBeUndefined();
  });

  it("is as many copies as there is more to load by where nothing is known, so the first that is there opens nothing", () => {
    const prospects = [unknown(0), unknown(8), unknown(16), unknown(16)];
    expect(chooseHold(prospects, LIMIT_MS)?.copies).toBe(2);
    const slower = [unknown(0), unknown(8, 20), unknown(16, 40), unknown(24, TRY_MS)];
    expect(chooseHold(slower, LIMIT_MS)?.copies).toBe(2);
  });

  it("tries for no longer than is gained where only the copy's time is unknown", () => {
    const hoped = (turnMs: number) => ({ ...unknown(8), turnMs });
    expect(chooseHold([hoped(500), hoped(100)], LIMIT_MS)?.gainMs).toBe(400);
    expect(chooseHold([hoped(9_000), hoped(100)], LIMIT_MS)?.gainMs).toBe(TRY_MS);
  });
});
