import { expect, it } from "vitest";
import { formatLegend, formatMoves, formatTable } from "../../../demo/turns/report.ts";

const recomputed = {
  text: "the boat",
  digest: "00",
  engine: "c",
  promptTokens: 12_000,
  cachedTokens: 0,
  firstTokenMs: 12_345.6,
};
const loading = { ...recomputed, cachedTokens: 11_904, firstTokenMs: 345.6 };
const turn = { conversation: "talk-6", prompt: "Where is", answer: loading, predictedMs: 300.4 };
const opened = { ...turn, answer: recomputed };

it("the table, its legend and the moves fit a terminal of 80 columns", () => {
  const table = formatTable({
    opened: [opened],
    followed: [turn],
    moves: [{ turn, recomputed }],
    scattered: [turn],
  });
  const lines = [table, formatLegend(), formatMoves("a", [{ turn, recomputed }])].join("\n");
  expect(lines.split("\n").filter(({ length }) => length > 80)).toEqual([]);
});

it("the table has a column of what each kind of turn found and waited for", () => {
  const table = formatTable({
    opened: [opened],
    followed: [turn],
    moves: [{ turn, recomputed }],
    scattered: [turn],
  });
  const rows = table.split("\n").map((row) => row.split(/ {2,}/));
  expect(rows).toContainEqual(["prompt tokens found", "0 %", "99 %", "99 %", "0 %", "99 %"]);
  expect(rows).toContainEqual([
    "time to first token, p50",
    "12346 ms",
    "346 ms",
    "346 ms",
    "12346 ms",
    "346 ms",
  ]);
});

it("each move is told, and what all of them saved together", () => {
  const moves = formatMoves("a", [
    { turn, recomputed },
    { turn, recomputed },
  ]).split("\n");
  expect(moves[1]?.split(/ {2,}/)).toEqual([
    "talk-6",
    "a -> c",
    "12,000",
    "11,904",
    "346 ms",
    "300 ms",
    "12346 ms",
  ]);
  expect(moves.at(-1)).toBe("Seconds saved until the first token: 24.0");
});
