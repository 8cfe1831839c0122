/** What the demo ends with: the table of its three replays, what its rows mean, and what to try next. */
import type { Cluster } from "./cluster.ts";
import { percent } from "./progress.ts";
import type { Summary } from "./replay/summary.ts";

export interface Results {
  readonly roundRobin: Summary;
  readonly moorline: Summary;
  readonly killed: Summary;
}

export function formatTable({ roundRobin, moorline, killed }: Results): string {
  const columns = [roundRobin, moorline, killed];
  const rows = [
    ["", "round robin", "Moorline", "Moorline, engine killed"],
    ["requests", ...columns.map(({ requests }) => String(requests))],
    ["failures", ...columns.map(formatFailures)],
    ["stickiness", ...columns.map(({ stickiness }) => percent(stickiness))],
    ["prefix tokens found", ...columns.map(({ tokensFound }) => percent(tokensFound))],
    ["time to first token, p50", ...columns.map(({ firstTokenP50Ms }) => ms(firstTokenP50Ms))],
    ["time to first token, p99", ...columns.map(({ firstTokenP99Ms }) => ms(firstTokenP99Ms))],
    ["sessions moved", ...columns.map(({ sessionsMoved }) => String(sessionsMoved))],
    ["sessions that had to move", ...columns.map(formatHadToMove)],
  ];
  return rows.map(formatRow).join("\n");
}

function formatRow(cells: readonly string[]): string {
  const [name = "", ...values] = cells;
  return `${name.padEnd(27)}${values.map((value) => value.padEnd(13)).join("")}`.trimEnd();
}

function formatFailures({ failures, failuresOpenAtKill }: Summary): string {
  if (failuresOpenAtKill === 0) return String(failures);
  return `${failures} (${failuresOpenAtKill} open at that moment)`;
}

/** The two numbers may be equal and still not be of the same sessions. */
function formatHadToMove({ sessionsThatHadToMove, sessionsMovedNeedlessly }: Summary): string {
  if (sessionsThatHadToMove === 0 || sessionsMovedNeedlessly === 0) {
    return String(sessionsThatHadToMove);
  }
  return `${sessionsThatHadToMove}, and ${sessionsMovedNeedlessly} others moved`;
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

/** Fits 80 columns. */
export function formatLegend(): string {
  return [
    "failures             requests without a whole answer. An engine that dies takes",
    "                     along those that it had begun: Envoy repeats none of them",
    "stickiness           of the turns after a first one, how many went to the engine",
    "                     that had answered the turn before",
    "prefix tokens found  of all tokens of the prompts, how many the engine still had",
    "                     in its cache",
    "p99                  hangs on a few long prompts that no cache has, and varies",
    "sessions moved       went to another engine at least once",
    "... had to move      asked again while the engine that they were at was down",
  ].join("\n");
}

/** Each line works as it is while the demo is kept running. */
export function formatNextSteps(cluster: Cluster): string {
  const { moorlineUrl, adminUrl, envoyAdminUrl, configPath, logPath, engines } = cluster;
  const post = `${moorlineUrl}/v1/chat/completions -H 'content-type: application/json'`;
  const [victim, ...others] = engines;
  if (victim === undefined) throw new Error("the demo has engines");
  const session = "-H 'x-session-id: mine'";
  const question = `"messages":[{"role":"user","content":"Where is my boat?"}]`;
  return [
    "A conversation without an id gets one (x-session-id), and says where it was served (x-engine):",
    `  curl -si ${post} -d '{${question}}'`,
    "One with an id stays where it is, streamed or not:",
    `  curl -si ${post} ${session} -d '{${question}}'`,
    `  curl -siN ${post} ${session} -d '{${question},"stream":true}'`,
    "Where that is, and why; the pools; the numbers:",
    `  curl -s ${adminUrl}/v1/sessions/mine`,
    `  curl -s ${adminUrl}/v1/pools`,
    `  curl -s ${adminUrl}/metrics`,
    "What Envoy thinks of the endpoints:",
    `  curl -s ${envoyAdminUrl}/clusters`,
    `Engine ${victim.name} dies, for good (${others.map(({ name, pid }) => `${name} is ${pid}`).join(", ")}):`,
    `  kill -9 ${victim.pid}`,
    "Moorline's configuration, which it watches, and its log:",
    `  ${configPath}`,
    `  tail -f ${logPath}`,
  ].join("\n");
}
