/**
 * Live progress of one replay: in a terminal one line that is rewritten, elsewhere a plain line every two seconds.
 */
import type { Outcome } from "./replay/replay.ts";
import { summarize } from "./replay/summary.ts";

const barWidth = 16;
const redrawMs = 100;
const plainLineMs = 2_000;
const clearToEnd = "\x1b[K";

export interface ProgressOptions {
  readonly label: string;
  readonly total: number;
  readonly outcomes: readonly Outcome[];
  readonly engines: readonly string[];
}

export interface Progress {
  /** A line above the progress, for what happens meanwhile. */
  note(text: string): void;
  /** Draws the last state and goes to the next line. */
  finish(): void;
}

export function showProgress(options: ProgressOptions): Progress {
  const { stdout } = process;
  const drawPlain = () => stdout.write(`${describe(options)}\n`);
  // Cut to the width: a line that wraps cannot be rewritten.
  const drawLive = () =>
    stdout.write(`\r${describe(options).slice(0, stdout.columns - 1)}${clearToEnd}`);
  const draw = stdout.isTTY ? drawLive : drawPlain;
  const timer = setInterval(draw, stdout.isTTY ? redrawMs : plainLineMs);
  return {
    note: (text) => void stdout.write(stdout.isTTY ? `\r${text}${clearToEnd}\n` : `${text}\n`),
    finish: () => {
      clearInterval(timer);
      draw();
      if (stdout.isTTY) stdout.write("\n");
    },
  };
}

function describe({ label, total, outcomes, engines }: ProgressOptions): string {
  const done = Math.round((barWidth * outcomes.length) / total);
  const bar = "#".repeat(done).padEnd(barWidth, ".");
  const perEngine = engines.map((engine) => `${engine} ${countOf(outcomes, engine)}`).join(" ");
  const { stickiness, tokensFound, failures } = summarize(outcomes);
  return (
    `${label.padEnd(13)} [${bar}] ${outcomes.length}/${total} | ${perEngine} | ` +
    `sticky ${percent(stickiness)}, found ${percent(tokensFound)}, failed ${failures}`
  );
}

function countOf(outcomes: readonly Outcome[], engine: string): number {
  return outcomes.filter(({ result }) => result.failure === undefined && result.engine === engine)
    .length;
}

export function percent(share: number): string {
  return Number.isNaN(share) ? "-" : `${Math.round(share * 100)} %`;
}
