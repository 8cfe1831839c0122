/**
 * What Moorline adds to a turn with a long body: conversations of 100 KB that grow by a message with each turn, their KV stored and
 * committed, so that only the end of each is tokenised, looked up and stored anew. The same body goes through the same Envoy without
 * ext_proc, in alternating order, and the time that the engine has it counts for neither.
 */
import { once } from "node:events";
import { type Agent, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { medianOf } from "../figures.ts";
import { type Parts, partsOf, readTimes } from "./parts.ts";
import type { Stack } from "./stack.ts";
import { type AskedTurn, standInAnswer } from "./stand-in.ts";
import { startStandInStack } from "./stand-in-stack.ts";

export interface AddedPlan {
  /** One after the other; of each, the first turn stores all of it and is not timed. */
  readonly conversations: number;
  readonly turns: number;
}

export interface AddedReport {
  /** Median over the turns of what each took longer. */
  readonly addedP50Ms: number;
  readonly plainP50Ms: number;
  readonly moorlineP50Ms: number;
  /** Turn by turn. */
  readonly parts: readonly Parts[];
}

const BODY_BYTES = 100_000;
const MESSAGE = "<|im_start|>user\nAnd what does the harbour master say of the wind?<|im_end|>\n";
/** Tokens of 100 KB, but for what the turn before may still be storing. */
const LEAST_REUSED = 10_000;
/** Of a client, which is when what was stored of its turn is proven. */
const THINK_MS = 120;
/** The first one stores everything. */
const LONG_THINK_MS = 1_500;

export async function measureAdded(plan: AddedPlan): Promise<AddedReport> {
  let engineMs = 0;
  const answer = async ({ receivedAtMs, body, response }: AskedTurn) => {
    const { meta_info, session_params } = standInAnswer(body);
    const text = JSON.stringify({ text: "", output_ids: [], meta_info, session_params });
    response.writeHead(200, { "content-type": "application/json" });
    engineMs = performance.now() - receivedAtMs;
    response.end(text);
  };
  await using started = await startStandInStack(answer);
  const { stack, agent } = started;

  const turns: Pair[] = [];
  const parts: Parts[] = [];
  for (let number = 0; number < plan.conversations; number += 1) {
    const session = `long-talk-${number}`;
    const time = async (url: string, body: Buffer) => {
      const { ms, kv } = await timeTurn({ url, body, agent, session });
      return { ms: ms - engineMs, kv };
    };
    let said = `${session} `.padEnd(BODY_BYTES, MESSAGE);
    await time(stack.url, bodyOf(said));
    await pause(LONG_THINK_MS);
    for (let turn = 0; turn < plan.turns; turn += 1) {
      said += MESSAGE;
      const before = await readTimes(stack.moorline);
      const isPlainFirst = turn % 2 === 0;
      const pair = await timePair({ time, stack, body: bodyOf(said), isPlainFirst });
      const after = await readTimes(stack.moorline);
      turns.push(pair);
      parts.push(partsOf({ before, after, addedMs: pair.moorline - pair.plain }));
      await pause(THINK_MS);
    }
  }
  const addedMs = turns.map(({ plain, moorline }) => moorline - plain);
  return {
    addedP50Ms: medianOf(addedMs),
    plainP50Ms: medianOf(turns.map(({ plain }) => plain)),
    moorlineP50Ms: medianOf(turns.map(({ moorline }) => moorline)),
    parts,
  };
}

interface Pair {
  readonly plain: number;
  readonly moorline: number;
}

interface PairOptions {
  readonly time: (url: string, body: Buffer) => Promise<Timed>;
  readonly stack: Pick<Stack, "url" | "plainUrl">;
  readonly body: Buffer;
  readonly isPlainFirst: boolean;
}

async function timePair({ time, stack, body, isPlainFirst }: PairOptions): Promise<Pair> {
  const before = isPlainFirst ? await time(stack.plainUrl, body) : undefined;
  const { ms: moorline, kv } = await time(stack.url, body);
  const { ms: plain } = before ?? (await time(stack.plainUrl, body));
  const reused = Number(/^reused=(\d+)$/.exec(kv ?? "")?.[1]);
  if (reused > LEAST_REUSED) return { plain, moorline };
  throw new Error(`a turn that goes on has KV ${kv}`);
}

function bodyOf(text: string): Buffer {
  return Buffer.from(JSON.stringify({ text, sampling_params: { max_new_tokens: 1 } }));
}

interface TimedTurn {
  readonly url: string;
  readonly body: Buffer;
  readonly agent: Agent;
  readonly session: string;
}

interface Timed {
  readonly ms: number;
  /** Undefined where Moorline was not asked. */
  readonly kv: string | undefined;
}

/** To the end of the answer, the engine's time with it. */
async function timeTurn({ url, body, agent, session }: TimedTurn): Promise<Timed> {
  const headers = {
    "content-type": "application/json",
    "content-length": body.length,
    "x-session-id": session,
    "x-moorline-kv": "1",
  };
  const startMs = performance.now();
  const sent = request(`${url}/generate`, { method: "POST", agent, headers });
  sent.end(body);
  const [response] = await once(sent, "response");
  const chunks: Buffer[] = await response.toArray();
  const ms = performance.now() - startMs;
  if (response.statusCode === 200) return { ms, kv: response.headers["x-moorline-kv"] };
  throw new Error(`status ${response.statusCode}: ${Buffer.concat(chunks).toString()}`);
}
