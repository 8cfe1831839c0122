import { expect, it } from "vitest";
import { formatLegend, formatTable } from "../../demo/report.ts";

const summary = {
  requests: 282,
  failures: 0,
  failuresOpenAtKill: 0,
  stickiness: 1,
  tokensFound: 0.693,
  firstTokenP50Ms: 1047.6,
  firstTokenP99Ms: 3901.2,
  sessionsMoved: 75,
  sessionsThatHadToMove: 0,
  sessionsMovedNeedlessly: 75,
};

it("the table and its legend fit a terminal of 80 columns", () => {
  const deaths = { failures: 12, failuresOpenAtKill: 12, sessionsThatHadToMove: 14 };
  const killed = { ...summary, ...deaths };
  const table = formatTable({ roundRobin: summary, moorline: summary, killed });
  const lines = `${table}\n${formatLegend()}`.split("\n");
  expect(lines.filter(({ length }) => length > 80)).toEqual([]);
});
