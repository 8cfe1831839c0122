/**
 * Live progress of one replay: in a terminal one line that is rewritten, elsewhere a plain line every two seconds.
 */
import type { Outcome } from "./replay/replay.ts";
import { summarize } from "./replay/summary.ts";

const barWidth = 16;
const redrawMs = 100;
const plainLineMs = 2_000;
const clearToEnd = "\x1b[K";

export interface ReplayState {
  readonly label: string;
  readonly total: number;
  readonly outcomes: readonly Outcome[];
  readonly engines: readonly string[];
}

export interface ProgressOptions extends ReplayState {
  /** Nothing is drawn from then on; the cursor stays in the line. */
  readonly signal: AbortSignal;
}

export interface Progress {
  /** A line above the progress, for what happens meanwhile. */
  note(text: string): void;
  /** Draws the last state and goes to the next line. */
  finish(): void;
}

export function showProgress(options: ProgressOptions): Progress {
  const { stdout } = process;
  const { signal } = options;
  const drawPlain = () => stdout.write(`${formatProgress(options, Infinity)}\n`);
  // One column less: a line that wraps cannot be rewritten.
  const drawLive = () =>
    stdout.write(`\r${formatProgress(options, (stdout.columns || 80) - 1)}${clearToEnd}`);
  const draw = stdout.isTTY ? drawLive : drawPlain;
  const timer = setInterval(draw, stdout.isTTY ? redrawMs : plainLineMs);
  const stop = () => clearInterval(timer);
  signal.addEventListener("abort", stop, { once: true });
  return {
    note: (text) => {
      if (signal.aborted) return;
      stdout.write(stdout.isTTY ? `\r${text}${clearToEnd}\n` : `${text}\n`);
    },
    finish: () => {
      if (signal.aborted) return;
      stop();
      draw();
      if (stdout.isTTY) stdout.write("\n");
    },
  };
}

/** One line of at most so many characters: with the bar and the engines, or as much of them as fits. */
export function formatProgress(state: ReplayState, width: number): string {
  const { label, total, outcomes, engines } = state;
  const done = outcomes.length;
  const count = (value: number) => String(value).padStart(String(total).length);
  const bar = `[${"#".repeat(Math.round((barWidth * done) / total)).padEnd(barWidth, ".")}] `;
  const perEngine = engines.map((name) => `${name} ${count(countOf(outcomes, name))}`).join(" ");
  const { stickiness, tokensFound, failures } = summarize(outcomes);
  const share = (value: number) => percent(value).padStart(5);
  const figures = `sticky ${share(stickiness)}, found ${share(tokensFound)}, failed ${failures}`;
  const line = (before: string, between: string) =>
    `${label.padEnd(13)} ${before}${count(done)}/${total} | ${between}${figures}`;
  const lines = [line(bar, `${perEngine} | `), line("", `${perEngine} | `), line(bar, "")];
  return lines.find(({ length }) => length <= width) ?? line("", "").slice(0, width);
}

function countOf(outcomes: readonly Outcome[], engine: string): number {
  return outcomes.filter(({ result }) => result.failure === undefined && result.engine === engine)
    .length;
}

export function percent(share: number): string {
  return Number.isNaN(share) ? "-" : `${Math.round(share * 100)} %`;
}
