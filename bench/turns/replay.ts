/**
 * The script in one setting, with engines of its own that have seen nothing of it: one turn after the other, so that none waits for
 * the prompt of another, and what is timed is the turn alone.
 */
import { setTimeout as pause } from "node:timers/promises";
import { EngineProcess } from "../../demo/stack/engine.ts";
import { ask, type Answer } from "../../demo/turns/ask.ts";
import { modelName } from "../../demo/engine/profile.ts";
import { SHAPES } from "../../demo/engine/model/shape.ts";
import { cpuTimeMs } from "../routing/cpu.ts";
import type { ScriptedTurn } from "./script.ts";
import { createFiles, ENGINE_RULES, SHAPE_NAME, type Stack, startStack } from "./stack.ts";

export const SETTINGS = ["round_robin", "affinity", "affinity_kv", "stateless_kv"] as const;
export type Setting = (typeof SETTINGS)[number];

export interface AnsweredTurn {
  readonly prompt: string;
  /** Undefined where none came, or not its end. */
  readonly answer: Answer | undefined;
}

export interface Replay {
  readonly turns: readonly AnsweredTurn[];
  /** Of the Moorline process in each turn; undefined where it cannot be read. */
  readonly cpuUsPerTurn: number | undefined;
  /** Of the time to the first token, as Moorline saw it; undefined where it has not seen enough. */
  readonly predictionP90Error: number | undefined;
}

export interface ReplayOptions {
  readonly setting: Setting;
  readonly script: readonly ScriptedTurn[];
  readonly engines: number;
}

/** A client reads before it goes on; what was stored of its turn is proven meanwhile. */
const THINK_MS = 150;
const TURN_DEADLINE_MS = 60_000;
/** Shares nothing with the script; long enough that the code of an engine is compiled when it comes. */
const WARM_UP = "warm up ".repeat(100);

export async function replay({ setting, script, engines }: ReplayOptions): Promise<Replay> {
  const hasKv = setting.endsWith("_kv");
  const isStateless = setting === "stateless_kv";
  await using closers = new AsyncDisposableStack();
  const files = await createFiles();
  closers.defer(() => files.close());
  const endpoints = Array.from({ length: engines }, (_, at) => engine(at, files.path, isStateless));
  for (const each of endpoints) closers.defer(() => each.close());
  await Promise.all(endpoints.map((each) => each.start()));
  for (const { url } of endpoints) await ask({ url, prompt: WARM_UP, signal: deadline() });
  const stack = await startStack({
    endpoints,
    files: hasKv ? files.path : undefined,
    mode: isStateless ? "ring" : "sticky",
  });
  closers.defer(() => stack.close());

  const before = await cpuTimeMs(stack.moorline.child.pid);
  const turns = await askAll(setting === "round_robin" ? stack.plainUrl : stack.url, script);
  const after = await cpuTimeMs(stack.moorline.child.pid);
  const isKnown = before !== undefined && after !== undefined;
  return {
    turns,
    cpuUsPerTurn: isKnown ? ((after - before) * 1_000) / turns.length : undefined,
    predictionP90Error: hasKv ? await predictionError(stack) : undefined,
  };
}

function engine(at: number, root: string, isStateless: boolean): EngineProcess {
  const { pageSize, loadThreshold } = ENGINE_RULES;
  const settings = {
    size: SHAPE_NAME,
    root,
    "page-size": pageSize,
    "load-threshold": loadThreshold,
    ...(isStateless && { stateless: true as const }),
  };
  return new EngineProcess({ name: `engine-${at}`, kind: "computing", settings });
}

async function askAll(
  url: string,
  script: readonly ScriptedTurn[],
): Promise<readonly AnsweredTurn[]> {
  const turns: AnsweredTurn[] = [];
  const said = new Map<string, string>();
  for (const { conversation: sessionId, says } of script) {
    const prompt = (said.get(sessionId) ?? "") + says;
    const answer = await ask({ url, sessionId, prompt, signal: deadline() }).catch(() => undefined);
    said.set(sessionId, prompt + (answer?.text ?? ""));
    turns.push({ prompt, answer });
    await pause(THINK_MS);
  }
  return turns;
}

function deadline(): AbortSignal {
  return AbortSignal.timeout(TURN_DEADLINE_MS);
}

async function predictionError({ apiUrl }: Stack): Promise<number | undefined> {
  const response = await fetch(`${apiUrl}/v1/predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: modelName(SHAPES[SHAPE_NAME]), prompt: { ids: [1, 2] } }),
  });
  if (!response.ok) throw new Error(`/v1/predict: ${await response.text()}`);
  const { ttft_ms: ttft } = (await response.json()) as Predicted;
  return ttft.p90_error ?? undefined;
}

interface Predicted {
  readonly ttft_ms: { readonly p90_error: number | null };
}
