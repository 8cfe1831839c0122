/**
 * `npm run demo -- llama`: conversations with two real llama-servers. One is killed in the middle of an answer, and its conversations go on
 * at the other one, which restores what the first had saved of its slots. The same turns are then asked of the same server with nothing in
 * its slots: how long that takes, and whether the answers are the same.
 */
import { documents, questions } from "../turns/script.ts";
import { envoyBinary } from "../../envoy/fetch.ts";
import { ExpectationFailed } from "../kv/narration.ts";
import { freePort } from "../stack/ports.ts";
import { metric } from "../stack/moorline-view.ts";
import { until } from "../stack/until.ts";
import type { Stage } from "../stage.ts";
import { askLlama, FRESH, type LlamaAnswer, LlamaAnswerCut } from "./ask.ts";
import { llamaPython } from "./fetch.ts";
import { DEMO_MODEL, modelFile } from "./model.ts";
import { formatMoves, formatNextSteps, formatTurns, type Move, type ToldTurn } from "./report.ts";
import type { LlamaServer } from "./server.ts";
import { type LlamaStage, startLlamaStage } from "./stage.ts";

const conversationCount = 3;
const documentChars = 2_000;
const tokens = 48;
const slots = { slots: 2, contextTokens: 4096 };
const preferredPorts = { ingress: 10_000, admin: 9003, api: 9004 };

interface Scene {
  readonly stage: LlamaStage;
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
}

export async function runLlamaDemo({ signal, onStart }: Stage): Promise<string> {
  const print = (text: string) => {
    if (!signal.aborted) console.log(text);
  };
  // They say what is missing before anything is started.
  await envoyBinary();
  await llamaPython();
  print("Two llama-servers, which save and restore their slots as they always could.");
  print("Starting them, Moorline with both halves, and Envoy.");
  const stage = await startLlamaStage({
    model: await modelFile(DEMO_MODEL),
    ...slots,
    ports: {
      ingress: await freePort(preferredPorts.ingress),
      admin: await freePort(preferredPorts.admin),
      api: await freePort(preferredPorts.api),
    },
    signal,
  });
  onStart(stage);
  const scene = { stage, signal, print };
  const talks = documents(conversationCount).map(
    (document, index) => new Talk(`talk-${index + 1}`, document.slice(0, documentChars), scene),
  );
  print(
    `${conversationCount} conversations, each about its own document: a first turn, and a second.`,
  );
  const [first, second, third] = questions;
  const opened = await askAll(talks, first);
  const followed = await askAll(talks, second);
  const victim = await strike(scene, talks, third);
  const continued = await askAll(
    talks.filter(({ home }) => home === victim.name),
    third,
  );
  print("The same turns once more, at the same server with nothing in its slots.");
  const moves: Move[] = [];
  for (const turn of continued) moves.push({ turn, recomputed: await recompute(scene, turn) });

  print(`\n${formatTurns({ opened, followed, moves })}\n\n${formatMoves(victim.name, moves)}\n`);
  const differences = moves.filter(({ turn, recomputed }) => turn.answer.text !== recomputed.text);
  const compared = `${moves.length} answers compared with those that were computed from nothing`;
  const result = `${compared}: differences ${differences.length}`;
  // Of a model that somebody brings, two tokens may be as likely as each other.
  if (differences.length > 0 && process.env["MOORLINE_GGUF"] === undefined)
    throw new ExpectationFailed(result);
  print(result);
  return formatNextSteps(stage, continued[0]?.conversation ?? "talk-1");
}

/** One conversation: each of its turns says everything again that was said so far. */
class Talk {
  readonly sessionId: string;
  readonly #scene: Scene;
  #said: string;
  #home = "";

  constructor(sessionId: string, document: string, scene: Scene) {
    this.sessionId = sessionId;
    this.#said = document;
    this.#scene = scene;
  }

  /** That answered last. */
  get home(): string {
    return this.#home;
  }

  /** Rejects with `LlamaAnswerCut` where the answer is cut: then nothing was said, and the client may ask again. */
  async ask(question: string, onFirstToken?: () => void): Promise<ToldTurn> {
    const { stage, signal } = this.#scene;
    const { sessionId } = this;
    const prompt = this.#said + question;
    const before = await predictions(stage);
    const hook = onFirstToken && { onFirstToken };
    const answer = await askLlama({ url: stage.url, sessionId, prompt, tokens, signal, ...hook });
    await until(async () => (await predictions(stage)).turns > before.turns);
    const predictedMs = (await predictions(stage)).ms - before.ms;
    this.#said = prompt + answer.text;
    this.#home = (await stage.homeOf(sessionId)).name;
    await stage.saved(sessionId, answer.cachedTokens + answer.computedTokens);
    return { conversation: sessionId, server: this.#home, prompt, answer, predictedMs };
  }
}

/** One after the other, so that none waits for another's prompt. */
async function askAll(talks: readonly Talk[], question: string): Promise<readonly ToldTurn[]> {
  const turns: ToldTurn[] = [];
  for (const talk of talks) turns.push(await talk.ask(question));
  return turns;
}

/** Of all turns so far together, in time to the first token. */
async function predictions({ moorline }: LlamaStage) {
  const seconds = 'moorline_kv_turn_predicted_ttft_seconds_sum{pool="default"}';
  const count = 'moorline_kv_turn_ttft_seconds_count{pool="default"}';
  return { turns: await metric(moorline, count), ms: 1000 * (await metric(moorline, seconds)) };
}

/** Kills the server with the most conversations, in the middle of an answer. */
async function strike(
  { stage, print }: Scene,
  talks: readonly Talk[],
  question: string,
): Promise<LlamaServer> {
  const served = ({ name }: LlamaServer) => talks.filter(({ home }) => home === name);
  const [victim] = stage.servers.toSorted((a, b) => served(b).length - served(a).length);
  const [asking] = victim === undefined ? [] : served(victim);
  if (victim === undefined || asking === undefined) throw new Error("no server has answered");
  const names = served(victim)
    .map(({ sessionId }) => sessionId)
    .join(", ");
  let killed: Promise<void> | undefined;
  try {
    await asking.ask(question, () => {
      killed = victim.kill();
    });
  } catch (reason) {
    if (!(reason instanceof LlamaAnswerCut)) throw reason;
  }
  await killed;
  print(`  kill -9: server ${victim.name}, while it answers ${asking.sessionId}. It had ${names}.`);
  await stage.seenDown(victim);
  print("A third turn of each. What was cut is asked again.");
  return victim;
}

/** Without Envoy and Moorline in between. */
async function recompute({ stage, signal }: Scene, turn: ToldTurn): Promise<LlamaAnswer> {
  const { url } = stage.server(turn.server);
  return askLlama({ url, prompt: turn.prompt, tokens, fields: FRESH, signal });
}
