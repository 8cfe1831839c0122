/** From what was measured to the result, and to a table for people. */
import { medianOf, toFourDigits } from "../figures.ts";
import type { LagReport } from "./lag.ts";
import { type Replay, type Setting, SETTINGS } from "./replay.ts";

export interface TurnsResult {
  readonly suite: "turns";
  readonly ttft_p50_ms: Readonly<Record<Setting, number>>;
  /** Of the prompts' tokens, those that an engine had or loaded; a fraction. */
  readonly hit_tokens: Readonly<Record<Setting, number>>;
  readonly prediction_p90_error: number | null;
  readonly added_p50_ms_100kb: number;
  /** From the first byte of a streamed answer as the engine says it to the same at the client. */
  readonly sse_lag_p99_ms: number;
  /** The same without ext_proc. */
  readonly sse_lag_plain_p99_ms: number;
  readonly cpu_us_per_turn: number | null;
  readonly wrong_answers: number;
}

export interface Measured {
  readonly replays: Readonly<Record<Setting, Replay>>;
  readonly addedP50Ms: number;
  readonly lag: LagReport;
  readonly wrongAnswers: number;
}

export function summarise({ replays, addedP50Ms, lag, wrongAnswers }: Measured): TurnsResult {
  const { predictionP90Error: error, cpuUsPerTurn: cpuUs } = replays.affinity_kv;
  return {
    suite: "turns",
    ttft_p50_ms: bySetting((setting) => firstTokenMs(replays[setting])),
    hit_tokens: bySetting((setting) => hitTokens(replays[setting])),
    prediction_p90_error: error === undefined ? null : toFourDigits(error),
    added_p50_ms_100kb: toFourDigits(addedP50Ms),
    sse_lag_p99_ms: toFourDigits(lag.moorlineP99Ms),
    sse_lag_plain_p99_ms: toFourDigits(lag.plainP99Ms),
    cpu_us_per_turn: cpuUs === undefined ? null : Math.round(cpuUs),
    wrong_answers: wrongAnswers,
  };
}

function bySetting(of: (setting: Setting) => number): Readonly<Record<Setting, number>> {
  const entries = SETTINGS.map((setting) => [setting, toFourDigits(of(setting))]);
  return Object.fromEntries(entries) as Record<Setting, number>;
}

function firstTokenMs({ turns }: Replay): number {
  return medianOf(turns.flatMap(({ answer }) => (answer === undefined ? [] : answer.firstTokenMs)));
}

function hitTokens({ turns }: Replay): number {
  const answers = turns.flatMap(({ answer }) => answer ?? []);
  const cached = answers.reduce((sum, { cachedTokens }) => sum + cachedTokens, 0);
  return cached / answers.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
}

export function table({ ttft_p50_ms: ttft, hit_tokens: hits }: TurnsResult): string {
  const rows = SETTINGS.map((setting) =>
    [
      setting.padEnd(14),
      ttft[setting].toFixed(1).padStart(8),
      hits[setting].toFixed(3).padStart(6),
    ].join("  "),
  );
  return ["setting         ttft ms    hits", ...rows].join("\n");
}
