/**
 * The second half of `npm run demo`: conversations with engines that really compute. One is killed in the middle of an answer, and its
 * conversations go on at others, which load what it had stored instead of computing it again. For comparison the same turns are asked of
 * the same engines with nothing to load; then further turns of any engine, without a session id, as if each kept nothing. In the end every
 * answer is compared with the model's own, computed from nothing in this process.
 */
import { envoyBinary } from "../../envoy/fetch.ts";
import { FreshAnswers } from "../engine/fresh-answers.ts";
import { EngineTokenizer } from "../engine/tokenizer/engine-tokenizer.ts";
import { ExpectationFailed } from "../kv/narration.ts";
import type { EngineProcess } from "../stack/engine.ts";
import type { Stage } from "../stage.ts";
import { ask, sampling } from "./ask.ts";
import { shapeName, startTurnsCluster, type TurnsCluster } from "./cluster.ts";
import { Conversation, type Turn } from "./conversation.ts";
import {
  formatLegend,
  formatMoves,
  formatNextSteps,
  formatTable,
  type ForetoldTurn,
  type Move,
} from "./report.ts";
import { documents, questions } from "./script.ts";

const conversationCount = 5;
const threads = 2;

interface Scene {
  readonly cluster: TurnsCluster;
  readonly conversations: readonly Conversation[];
  readonly print: (text: string) => void;
  readonly signal: AbortSignal;
}

export async function runTurnsDemo(stage: Stage): Promise<string> {
  const { signal, onStart } = stage;
  const print = (text: string) => {
    if (!signal.aborted) console.log(text);
  };
  await envoyBinary(); // says what is missing before anything is started
  print("Engines that compute, and store their KV cache in files that each can load.");
  print("Starting 3 of them, Moorline with both halves, and Envoy.");
  const cluster = await startTurnsCluster(stage);
  const conversations = documents(conversationCount).map(
    (document, index) =>
      new Conversation({ sessionId: `talk-${index + 1}`, document, url: cluster.url, signal }),
  );
  const scene: Scene = { cluster, conversations, print, signal };
  const [first, second, third, fourth] = questions;
  print(
    `${conversationCount} conversations, each about its own document: a first turn, and a second.`,
  );
  const opened = await askAll(conversations, first);
  const followed = await askAll(conversations, second);
  const victim = await strike(scene, third);
  const continued = await askForetold(scene, third);
  const moved = continued.filter((_, index) => followed[index]?.answer.engine === victim.name);
  print("Those of the dead engine once more, at the same engines with nothing to load.");
  const moves = await recompute(scene, moved);
  print("A fourth turn of each, without session id: to any engine, all with empty caches.");
  const scattered = await scatter(scene, fourth);

  const results = { opened, followed, moves, scattered };
  print(`\n${formatTable(results)}\n\n${formatLegend()}\n\n${formatMoves(victim.name, moves)}\n`);
  const again = moves.map(({ turn, recomputed }) => ({ ...turn, answer: recomputed }));
  const answered = [...opened, ...followed, ...continued, ...scattered, ...again];
  const fresh = new FreshAnswers(shapeName, threads);
  onStart(fresh);
  const differences = await countDifferences(answered, fresh);
  await fresh.close();
  const compared = `${answered.length} answers compared with the model's own, computed from nothing`;
  if (differences > 0) throw new ExpectationFailed(`${compared}: differences ${differences}`);
  print(`${compared}: differences 0`);
  return formatNextSteps(cluster, moves);
}

/** One after the other, so that none waits for another's prompt. */
async function askAll(
  conversations: readonly Conversation[],
  question: string,
): Promise<readonly Turn[]> {
  const turns: Turn[] = [];
  for (const conversation of conversations) {
    const turn = await conversation.ask(question);
    if (turn === undefined) throw new Error(`an answer to ${conversation.sessionId} was cut`);
    turns.push(turn);
  }
  return turns;
}

/** As `askAll`, with what Moorline predicted before each. */
async function askForetold(
  { cluster, conversations }: Scene,
  question: string,
): Promise<readonly ForetoldTurn[]> {
  const turns: ForetoldTurn[] = [];
  for (const conversation of conversations) {
    const beforeMs = await cluster.predictedMs(countTurns(conversations));
    const asked = await askAll([conversation], question);
    const predictedMs = (await cluster.predictedMs(countTurns(conversations))) - beforeMs;
    turns.push(...asked.map((turn) => ({ ...turn, predictedMs })));
  }
  return turns;
}

/** Kills the engine with the most conversations, in the middle of an answer. */
async function strike(
  { cluster, conversations, print }: Scene,
  question: string,
): Promise<EngineProcess> {
  await cluster.listed(countTurns(conversations));
  const served = ({ name }: EngineProcess) => conversations.filter(({ engine }) => engine === name);
  const victim = cluster.engines.reduce((most, engine) =>
    served(engine).length > served(most).length ? engine : most,
  );
  const homeless = served(victim);
  const [asking] = homeless;
  if (asking === undefined) throw new Error("no engine has answered");
  let killed: Promise<void> | undefined;
  await asking.ask(question, () => {
    killed = victim.kill();
  });
  await killed;
  const names = homeless.map(({ sessionId }) => sessionId).join(", ");
  print(`  kill -9: engine ${victim.name}, while it answers ${asking.sessionId}. It had ${names}.`);
  await cluster.seenDown(victim);
  print("A third turn of each. What was cut is asked again.");
  return victim;
}

/** As if nothing had ever been stored, and without Envoy and Moorline in between. */
async function recompute(
  { cluster, signal }: Scene,
  turns: readonly ForetoldTurn[],
): Promise<readonly Move[]> {
  const moves: Move[] = [];
  for (const turn of turns) {
    const engine = cluster.engines.find(({ name }) => name === turn.answer.engine);
    if (engine === undefined) throw new Error(`no engine ${turn.answer.engine}`);
    await engine.flush();
    const recomputed = await ask({ url: engine.url, prompt: turn.prompt, signal });
    if (recomputed === undefined) throw new Error(`engine ${engine.name} cut an answer`);
    moves.push({ turn, recomputed });
  }
  return moves;
}

/** Nobody knows where a conversation was before, and no engine has anything of it: only what is stored is left. */
async function scatter(
  { cluster, conversations, signal }: Scene,
  question: string,
): Promise<readonly Turn[]> {
  await cluster.listed(countTurns(conversations));
  const turns: Turn[] = [];
  for (const conversation of conversations) {
    await Promise.all(cluster.engines.map(async (engine) => engine.isRunning && engine.flush()));
    const prompt = conversation.said + question;
    const answer = await ask({ url: cluster.url, prompt, signal });
    if (answer === undefined) throw new Error("an answer without session id was cut");
    turns.push({ conversation: conversation.sessionId, prompt, answer });
  }
  return turns;
}

function countTurns(conversations: readonly Conversation[]): number {
  return conversations.reduce((sum, { turns }) => sum + turns.length, 0);
}

async function countDifferences(turns: readonly Turn[], fresh: FreshAnswers): Promise<number> {
  const tokenizer = new EngineTokenizer();
  const isSame = async ({ prompt, answer }: Turn) => {
    const expected = await fresh.answer({ prompt: tokenizer.encodeText(prompt), sampling });
    return answer.text === expected.text && answer.digest === expected.digest;
  };
  const same = await Promise.all(turns.map(isSame));
  return same.filter((isEqual) => !isEqual).length;
}
