import { describe, expect, it } from "vitest";

import { type ComputedTurn, ResidentTokens } from "../../../src/kv/path/resident-tokens.ts";
import type { ChainContext } from "../../../src/kv/chain/chain-format.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { session } from "../../support/turn-bench.ts";

const A = session("a");

function turn(ids: readonly number[], changes: { engine?: string; context?: ChainContext } = {}) {
  const { engine = "one", context = {} } = changes;
  const prompt = { kind: "engine", context, grid: [], ids: Uint32Array.from(ids) } as const;
  return { session: A, engine, prompt };
}

function open(limitBytes = 100_000, clock = new FakeClock()) {
  const resident = new ResidentTokens({ pageSize: 2, limitBytes, clock });
  return {
    keep: (...kept: Parameters<ResidentTokens["keep"]>) => resident.keep(...kept),
    of: (asked: ComputedTurn) => resident.of(asked).residentTokens,
    idleMs: (asked: ComputedTurn) => resident.of(asked).idleMs,
  };
}

describe("what an engine may have kept", () => {
  it("is what a prompt shares with the session's last turn there, in whole pages", () => {
    const resident = open();
    resident.keep(turn([1, 2, 3]), [4, 5, 6]);
    expect(resident.of(turn([1, 2, 3, 4, 5, 6, 7]))).toBe(4);
    expect(resident.of(turn([1, 2, 3, 9, 5, 6, 7]))).toBe(2);
    expect(resident.of(turn([9, 2, 3, 4]))).toBe(0);
  });

  it("is never the last token of an answer, nor of the prompt", () => {
    const resident = open();
    resident.keep(turn([1, 2, 3]), [4]);
    expect(resident.of(turn([1, 2, 3, 4, 5]))).toBe(2);
    resident.keep(turn([1, 2, 3, 4]), []);
    expect(resident.of(turn([1, 2, 3, 4]))).toBe(2);
    expect(resident.of(turn([1, 2, 3, 4, 5]))).toBe(4);
  });

  it("is nothing of another engine, of another session, or of what engines keep apart", () => {
    const resident = open();
    resident.keep(turn([1, 2, 3, 4]), []);
    const next = [1, 2, 3, 4, 5];
    expect(resident.of(turn(next, { engine: "two" }))).toBe(0);
    expect(resident.of({ ...turn(next), session: session("b") })).toBe(0);
    expect(resident.of(turn(next, { context: { cacheSalt: "s" } }))).toBe(0);
    expect(resident.of(turn(next))).toBe(4);
  });

  it("is as old as the session's last turn there", async () => {
    const clock = new FakeClock();
    const resident = open(undefined, clock);
    resident.keep(turn([1, 2, 3, 4]), []);
    await clock.advance(70);
    expect(resident.idleMs(turn([1, 2, 3, 4, 5]))).toBe(70);
    resident.keep(turn([1, 2, 3, 4, 5]), []);
    await clock.advance(20);
    expect(resident.idleMs(turn([1, 2, 3, 4, 5, 6]))).toBe(20);
    expect(resident.idleMs(turn([1, 2, 3], { engine: "two" }))).toBeUndefined();
  });

  it("is not known of texts, and forgotten where there is no room", () => {
    const resident = open(1_000);
    resident.keep({ ...turn([]), prompt: { kind: "text" } }, [1]);
    expect(resident.of({ ...turn([]), prompt: { kind: "text" } })).toBe(0);
    resident.keep(turn([1, 2, 3, 4]), []);
    resident.keep({ ...turn([1, 2, 3, 4]), session: session("b") }, []);
    expect(resident.of(turn([1, 2, 3, 4, 5]))).toBe(0);
  });
});
