/**
 * How much later a client sees the first byte of a streamed answer than its engine says it: through Moorline, which reads the answer
 * for its counts and takes its own members out, and through the same Envoy without ext_proc. Both in the same run, in turns at a
 * steady rate, whether or not those before have been answered.
 */
import { once } from "node:events";
import { type Agent, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { percentileOf } from "../figures.ts";
import { type AskedTurn, standInAnswer } from "./stand-in.ts";
import { startStandInStack } from "./stand-in-stack.ts";

export interface LagPlan {
  /** Each is one way and then the other, which changes places with every round. */
  readonly rounds: number;
  readonly turnsPerRound: number;
  readonly turnsPerSecond: number;
}

export interface LagReport {
  readonly moorlineP99Ms: number;
  readonly plainP99Ms: number;
}

/** Of each answer, with its end. */
const EVENTS = 4;
const EVENT_GAP_MS = 10;
const SESSIONS = 50;
const MESSAGE = "<|im_start|>user\nWhat is moored here, and where does it lie?<|im_end|>\n";
const FIRST_MESSAGES = 8;

interface Said {
  readonly firstByteAtMs: number;
  /** What a client is to see. */
  readonly shown: string;
}

export async function measureLag(plan: LagPlan): Promise<LagReport> {
  const said = new Map<string, Said>();
  const answer = (turn: AskedTurn) => say(turn, (each) => said.set(turn.name, each));
  await using started = await startStandInStack(answer);
  const { stack, agent } = started;

  const talks = Array.from({ length: SESSIONS }, () => MESSAGE.repeat(FIRST_MESSAGES));
  let turns = 0;
  const lagsOf = async (url: string) => {
    const asked = Array.from({ length: plan.turnsPerRound }, async (_, at) => {
      await pause((at * 1_000) / plan.turnsPerSecond);
      const name = String(turns++);
      const talk = turns % SESSIONS;
      const text = (talks[talk] += MESSAGE);
      const seen = await ask({ url, agent, name, session: `talk-${talk}`, text });
      const by = said.get(name);
      if (seen.text !== by?.shown) throw new Error(`turn ${name} was answered ${seen.text}`);
      return seen.firstByteAtMs - by.firstByteAtMs;
    });
    return Promise.all(asked);
  };
  const [moorline, plain]: [number[], number[]] = [[], []];
  await lagsOf(stack.url); // compiles what is run
  for (let round = 0; round < plan.rounds; round += 1) {
    const ways = [
      async () => moorline.push(...(await lagsOf(stack.url))),
      async () => plain.push(...(await lagsOf(stack.plainUrl))),
    ];
    for (const way of round % 2 === 0 ? ways : ways.toReversed()) await way();
  }
  return { moorlineP99Ms: percentileOf(moorline, 0.99), plainP99Ms: percentileOf(plain, 0.99) };
}

/** Told of what is about to be said, before any of it is. */
async function say({ body, response }: AskedTurn, tell: (said: Said) => void): Promise<void> {
  const { meta_info, session_params } = standInAnswer(body);
  const states = Array.from({ length: EVENTS }, (_, at) => ({
    text: "moored ".repeat(at),
    meta_info,
  }));
  const shown = states.map(eventOf).join("") + END;
  response.writeHead(200, { "content-type": "text/event-stream" });
  tell({ firstByteAtMs: performance.now(), shown });
  for (const [at, state] of states.entries()) {
    if (at > 0) await pause(EVENT_GAP_MS);
    // What clients do not see comes last in an event, so that what is left is spelled the same.
    response.write(eventOf({ ...state, session_params }));
  }
  response.end(END);
}

const END = "data: [DONE]\n\n";

function eventOf(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

interface Asked {
  readonly url: string;
  readonly agent: Agent;
  readonly name: string;
  readonly session: string;
  readonly text: string;
}

async function ask({ url, agent, name, session, text }: Asked) {
  const headers = { "content-type": "application/json", "x-session-id": session, "x-turn": name };
  const sent = request(`${url}/generate`, { method: "POST", agent, headers });
  sent.end(JSON.stringify({ text, stream: true, sampling_params: { max_new_tokens: 1 } }));
  const [response] = await once(sent, "response");
  let firstByteAtMs = 0;
  let seen = "";
  for await (const chunk of response.setEncoding("utf8")) {
    if (seen === "") firstByteAtMs = performance.now();
    seen += chunk;
  }
  return { firstByteAtMs, text: seen };
}
