import { expect, it } from "vitest";
import { formatProgress } from "../../demo/progress.ts";
import type { Outcome } from "../../demo/replay/replay.ts";

function outcome(session: number, result: Outcome["result"]): Outcome {
  return { session, sentMs: 0, endedMs: 1, result };
}

const answer = { sessionId: "s", engine: "a", firstTokenMs: 1, promptTokens: 10, cachedTokens: 4 };
const state = {
  label: "round robin",
  total: 8,
  engines: ["a", "b"],
  outcomes: [outcome(1, answer), outcome(1, answer), outcome(2, { failure: "status 503" })],
};
const figures = "sticky 100 %, found  40 %, failed 1";

it.each([
  [Infinity, `round robin   [######..........] 3/8 | a 2 b 0 | ${figures}`],
  [84, `round robin   [######..........] 3/8 | a 2 b 0 | ${figures}`],
  [83, `round robin   3/8 | a 2 b 0 | ${figures}`],
  [65, `round robin   3/8 | a 2 b 0 | ${figures}`],
  [64, `round robin   3/8 | ${figures}`],
  [54, `round robin   3/8 | ${figures}`.slice(0, 54)],
])("a line of %s columns shows the figures, and the rest where there is room", (width, line) => {
  expect(formatProgress(state, width)).toBe(line);
});

it("80 columns are enough for the figures of the whole demo", () => {
  const outcomes = Array.from({ length: 282 }, () => outcome(1, { failure: "status 503" }));
  const whole = { label: "engine killed", total: 282, engines: ["a", "b", "c", "d"], outcomes };
  expect(formatProgress(whole, 79)).toMatch(/282\/282 \| sticky +-, found +-, failed 282$/);
});
