import { describe, expect, it } from "vitest";
import type { Outcome } from "../../demo/replay/replay.ts";
import { percentile, summarize } from "../../demo/replay/summary.ts";

function answered(session: number, engine: string, sentMs = 0): Outcome {
  const answer = { sessionId: undefined, firstTokenMs: 1, promptTokens: 10, cachedTokens: 4 };
  return { session, sentMs, endedMs: sentMs + 1, result: { ...answer, engine } };
}

function failed(session: number, sentMs: number, endedMs: number): Outcome {
  return { session, sentMs, endedMs, result: { failure: "status 503" } };
}

const outage = { engine: "a", fromMs: 10, untilMs: 20 };

describe("summarize", () => {
  it("counts a follow-up as sticky when it goes where the turn before went", () => {
    const outcomes = [answered(1, "a"), answered(2, "b"), answered(1, "a"), answered(2, "a")];
    expect(summarize(outcomes)).toMatchObject({ stickiness: 0.5, sessionsMoved: 1 });
  });

  it("finds tokens as a share of all prompt tokens", () => {
    expect(summarize([answered(1, "a"), answered(2, "a")]).tokensFound).toBe(0.4);
  });

  it("expects a session to move only when it asks the killed engine during the outage", () => {
    const outcomes = [
      ...[1, 2, 3].map((session) => answered(session, "a", 0)),
      answered(4, "b", 0),
      answered(1, "b", 10),
      answered(2, "a", 20),
      answered(4, "b", 15),
    ];
    expect(summarize(outcomes, outage)).toMatchObject({
      sessionsMoved: 1,
      sessionsThatHadToMove: 1,
      sessionsMovedNeedlessly: 0,
    });
  });

  it("names a session that moved without need", () => {
    const outcomes = [answered(1, "b", 0), answered(1, "c", 15)];
    expect(summarize(outcomes, outage).sessionsMovedNeedlessly).toBe(1);
  });

  it("tells failures of requests that were open at the kill from others", () => {
    const outcomes = [failed(1, 9, 10), failed(2, 11, 12), failed(3, 5, 9)];
    expect(summarize(outcomes, outage)).toMatchObject({ failures: 3, failuresOpenAtKill: 1 });
  });
});

describe("percentile", () => {
  it("is the smallest value with at least that share at or below it", () => {
    const values = [1, 2, 3, 4];
    expect([0.5, 0.75, 0.99].map((share) => percentile(values, share))).toEqual([2, 3, 4]);
  });
});
