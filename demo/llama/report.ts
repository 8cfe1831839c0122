/** What the demo with llama-servers ends with: what its turns cost, how conversations went on, and what to try next. */
import type { LlamaAnswer } from "./ask.ts";
import type { LlamaStage } from "./stage.ts";

export interface ToldTurn {
  readonly conversation: string;
  /** That answered. */
  readonly server: string;
  readonly prompt: string;
  readonly answer: LlamaAnswer;
  /** Moorline's prediction of the time to the first token, before the turn. */
  readonly predictedMs: number;
}

/** A turn of a conversation whose server was lost. */
export interface Move {
  readonly turn: ToldTurn;
  /** The same prompt at the same server, with nothing in its slots. */
  readonly recomputed: LlamaAnswer;
}

export interface Results {
  readonly opened: readonly ToldTurn[];
  readonly followed: readonly ToldTurn[];
  readonly moves: readonly Move[];
}

export function formatTurns({ opened, followed, moves }: Results): string {
  const columns = [
    opened.map(({ answer }) => answer),
    followed.map(({ answer }) => answer),
    moves.map(({ turn }) => turn.answer),
    moves.map(({ recomputed }) => recomputed),
  ];
  const rows = [
    ["", "first", "second", "moved", "recomputed"],
    ["turns", ...columns.map(({ length }) => String(length))],
    ["prompt tokens", ...columns.map((answers) => count(sum(answers, promptTokens)))],
    ["not computed (cache_n)", ...columns.map((answers) => count(sum(answers, cachedTokens)))],
    ["time to first token, mean", ...columns.map((answers) => ms(meanFirstTokenMs(answers)))],
  ];
  return rows.map((cells) => formatRow(cells, [28, 12, 12, 12, 12])).join("\n");
}

/** One line for each conversation of the dead server. */
export function formatMoves(victim: string, moves: readonly Move[]): string {
  const head = [
    "session",
    "server",
    "prompt",
    "restored",
    "first token",
    "predicted",
    "recomputed",
  ];
  const rows = moves.map(({ turn: { conversation, server, answer, predictedMs }, recomputed }) => [
    conversation,
    `${victim} -> ${server}`,
    count(promptTokens(answer)),
    count(answer.cachedTokens),
    ms(answer.firstTokenMs),
    ms(predictedMs),
    ms(recomputed.firstTokenMs),
  ]);
  return [head, ...rows].map((cells) => formatRow(cells, [10, 10, 9, 10, 13, 11, 10])).join("\n");
}

/** Each line works as it is while the demo is kept running. */
export function formatNextSteps(stage: LlamaStage, session: string): string {
  const { url, apiUrl, staging, root, moorline, servers } = stage;
  const post = `curl -si ${url}/v1/chat/completions -H 'content-type: application/json' -H 'x-moorline-kv: 1'`;
  const said = "A boat that is moored well is there in the morning. ".repeat(8);
  const body = `{"messages":[{"role":"user","content":"${said}"}],"max_tokens":16}`;
  const alive = servers.filter(({ isRunning }) => isRunning);
  return [
    "Twice the same: the second answer says what was in its slot (x-moorline-kv):",
    `  ${post} -H 'x-session-id: mine' -d '${body}'`,
    `What is stored of ${session}, and where its next turn goes:`,
    `  curl -s ${apiUrl}/v1/sessions/${session}/segments`,
    `  curl -s ${moorline.adminUrl}/v1/sessions/${session}`,
    "The slots of the servers that are left, around Moorline:",
    ...alive.map(
      (server) => `  curl -s ${server.url}/slots # ${server.name}, process ${server.pid}`,
    ),
    "The files, and the folder in which servers save and from which they restore:",
    `  ls -lR ${root}; ls -l ${staging}`,
    "The numbers:",
    `  curl -s ${moorline.adminUrl}/metrics | grep moorline_kv`,
  ].join("\n");
}

function formatRow(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join("")
    .trimEnd();
}

function promptTokens({ cachedTokens: cached, computedTokens: computed }: LlamaAnswer): number {
  return cached + computed;
}

function cachedTokens(answer: LlamaAnswer): number {
  return answer.cachedTokens;
}

function sum(answers: readonly LlamaAnswer[], value: (answer: LlamaAnswer) => number): number {
  return answers.reduce((total, answer) => total + value(answer), 0);
}

function meanFirstTokenMs(answers: readonly LlamaAnswer[]): number {
  return sum(answers, ({ firstTokenMs }) => firstTokenMs) / answers.length;
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
