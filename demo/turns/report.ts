/** What the second half ends with: what its turns cost, how the conversations of the dead engine went on, and what to try next. */
import { percent } from "../progress.ts";
import { percentile } from "../replay/summary.ts";
import type { Answer } from "./ask.ts";
import type { TurnsCluster } from "./cluster.ts";
import type { Turn } from "./conversation.ts";

export interface ForetoldTurn extends Turn {
  /** Moorline's prediction of the time to the first token, before the turn. */
  readonly predictedMs: number;
}

/** A turn of a conversation whose engine was lost. */
export interface Move {
  readonly turn: ForetoldTurn;
  /** The same prompt at the same engine, with nothing to load. */
  readonly recomputed: Answer;
}

export interface Results {
  readonly opened: readonly Turn[];
  readonly followed: readonly Turn[];
  readonly moves: readonly Move[];
  /** Without session ids, to engines that had nothing in their caches. */
  readonly scattered: readonly Turn[];
}

export function formatTable({ opened, followed, moves, scattered }: Results): string {
  const columns = [
    opened.map(({ answer }) => answer),
    followed.map(({ answer }) => answer),
    moves.map(({ turn }) => turn.answer),
    moves.map(({ recomputed }) => recomputed),
    scattered.map(({ answer }) => answer),
  ];
  const widths = [27, 11, 11, 11, 12];
  const rows = [
    ["", "first", "second", "moved", "recomputed", "anywhere"],
    ["turns", ...columns.map(({ length }) => String(length))],
    ["prompt tokens", ...columns.map((answers) => count(sum(answers, promptTokens)))],
    [
      "prompt tokens found",
      ...columns.map((answers) => percent(sum(answers, cachedTokens) / sum(answers, promptTokens))),
    ],
    ["time to first token, p50", ...columns.map((answers) => ms(medianFirstTokenMs(answers)))],
  ];
  return rows.map((cells) => formatRow(cells, widths)).join("\n");
}

/** Fits 80 columns. */
export function formatLegend(): string {
  return [
    "first, second        turns of each conversation, while all engines are there",
    "moved                third turns, of the conversations of the engine that died",
    "recomputed           these turns once more, each at the same engine, with its",
    "                     cache empty and nothing to load",
    "predicted            by Moorline before the turn, from those that it had seen",
    "anywhere             fourth turns, without session ids, at engines whose caches",
    "                     are empty: all that is found is loaded",
    "prompt tokens found  of all tokens of the prompts, how many the engine had in",
    "                     its own cache, or loaded of what engines had stored",
  ].join("\n");
}

/** One line for each conversation of the dead engine, and what was saved. */
export function formatMoves(victim: string, moves: readonly Move[]): string {
  const widths = [14, 9, 15, 8, 13, 11];
  const rows = moves.map(({ turn: { conversation, answer, predictedMs }, recomputed }) => [
    conversation,
    `${victim} -> ${answer.engine}`,
    count(answer.promptTokens),
    count(answer.cachedTokens),
    ms(answer.firstTokenMs),
    ms(predictedMs),
    ms(recomputed.firstTokenMs),
  ]);
  const head = [
    "conversation",
    "engine",
    "prompt tokens",
    "loaded",
    "first token",
    "predicted",
    "recomputed",
  ];
  const savedMs = moves.reduce(
    (total, { turn, recomputed }) => total + recomputed.firstTokenMs - turn.answer.firstTokenMs,
    0,
  );
  return [
    ...[head, ...rows].map((cells) => formatRow(cells, widths)),
    `Seconds saved until the first token: ${(savedMs / 1000).toFixed(1)}`,
  ].join("\n");
}

function formatRow(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join("")
    .trimEnd();
}

function promptTokens(answer: Answer): number {
  return answer.promptTokens;
}

function cachedTokens(answer: Answer): number {
  return answer.cachedTokens;
}

function sum(answers: readonly Answer[], value: (answer: Answer) => number): number {
  return answers.reduce((total, answer) => total + value(answer), 0);
}

function medianFirstTokenMs(answers: readonly Answer[]): number {
  return percentile(
    answers.map(({ firstTokenMs }) => firstTokenMs).toSorted((a, b) => a - b),
    0.5,
  );
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** Each line works as it is while the demo is kept running. */
export function formatNextSteps(cluster: TurnsCluster, moves: readonly Move[]): string {
  const { url, adminUrl, apiUrl, files, logPath, engines } = cluster;
  const session = moves[0]?.turn.conversation ?? "talk-1";
  const sampling = `"sampling_params":{"max_new_tokens":16,"ignore_eos":true}`;
  const post = `curl -si ${url}/generate -H 'content-type: application/json' -H 'x-moorline-kv: 1'`;
  const text = "A boat that is moored well is there in the morning. ".repeat(8);
  const alive = engines.filter(({ isRunning }) => isRunning);
  const running = alive.map(({ name, pid }) => `${name} is ${pid}`).join(", ");
  return [
    "Twice the same: the second answer says how many tokens it was given (x-moorline-kv):",
    `  ${post} -H 'x-session-id: mine' -d '{"text":"${text}",${sampling}}'`,
    `What is stored of ${session}:`,
    `  curl -s ${apiUrl}/v1/sessions/${session}/segments`,
    "Where the next turn goes, and the numbers:",
    `  curl -s ${adminUrl}/v1/sessions/${session}`,
    `  curl -s ${adminUrl}/metrics | grep moorline_kv`,
    `The files, and the processes of the engines (${running}):`,
    `  ls -lR ${files}`,
    "Moorline's log:",
    `  tail -f ${logPath}`,
  ].join("\n");
}
