/**
 * What turns in the request path bring and cost. Some conversations of the demo's trace are replayed through a real Envoy to engines
 * that compute, in four settings: round robin without Moorline, affinity, affinity with session KV, and session KV with engines that
 * keep nothing. When all is timed, every answer is compared with the model's own, computed from nothing in this process.
 */
import { FreshAnswers } from "../../demo/engine/fresh-answers.ts";
import { EngineTokenizer } from "../../demo/engine/tokenizer/engine-tokenizer.ts";
import { sampling } from "../../demo/turns/ask.ts";
import { formatGoals } from "../goals.ts";
import { type AddedPlan, measureAdded } from "./added.ts";
import { goals } from "./goals.ts";
import { type LagPlan, measureLag } from "./lag.ts";
import { type AnsweredTurn, replay, type Replay, type Setting, SETTINGS } from "./replay.ts";
import { partsTable } from "./parts.ts";
import { summarise, table, type TurnsResult } from "./report.ts";
import { readScript, type ScriptPlan } from "./script.ts";
import { SHAPE_NAME } from "./stack.ts";

export interface TurnsPlan {
  readonly script: ScriptPlan;
  readonly engines: number;
  readonly added: AddedPlan;
  readonly lag: LagPlan;
}

const fullPlan: TurnsPlan = {
  script: { conversations: 12, turns: 4 },
  engines: 3,
  added: { conversations: 5, turns: 40 },
  lag: { rounds: 2, turnsPerRound: 200, turnsPerSecond: 50 },
};
const quickPlan: TurnsPlan = {
  script: { conversations: 2, turns: 3 },
  engines: 2,
  added: { conversations: 1, turns: 10 },
  lag: { rounds: 1, turnsPerRound: 50, turnsPerSecond: 50 },
};
const ORACLE_THREADS = 2;

export function runTurns({ isQuick }: { isQuick: boolean }): Promise<TurnsResult> {
  return measureTurns(isQuick ? quickPlan : fullPlan, (text) => console.error(text));
}

export async function measureTurns(
  plan: TurnsPlan,
  progress: (text: string) => void,
): Promise<TurnsResult> {
  const added = await measureAdded(plan.added);
  const { plainP50Ms, moorlineP50Ms, addedP50Ms } = added;
  progress(
    `100 KB: ${moorlineP50Ms.toFixed(2)} ms, ${plainP50Ms.toFixed(2)} without ext_proc, added ${addedP50Ms.toFixed(2)}\n${partsTable(added.parts)}`,
  );
  const lag = await measureLag(plan.lag);
  progress(
    `first byte, p99: ${lag.moorlineP99Ms.toFixed(2)} ms, ${lag.plainP99Ms.toFixed(2)} without ext_proc`,
  );
  const script = await readScript(plan.script);
  const replays = new Map<Setting, Replay>();
  for (const setting of SETTINGS) {
    progress(`${setting}: ${script.length} turns`);
    replays.set(setting, await replay({ setting, script, engines: plan.engines }));
  }
  const measured = Object.fromEntries(replays) as Record<Setting, Replay>;
  const turns = Object.values(measured).flatMap((each) => each.turns);
  const wrongAnswers = await countWrong(turns);
  const result = summarise({ replays: measured, addedP50Ms, lag, wrongAnswers });
  progress(`${table(result)}\ngoals\n${formatGoals(goals, result)}`);
  return result;
}

/** An answer that did not come is wrong too. */
async function countWrong(turns: readonly AnsweredTurn[]): Promise<number> {
  const tokenizer = new EngineTokenizer();
  const fresh = new FreshAnswers(SHAPE_NAME, ORACLE_THREADS);
  const isWrong = async ({ prompt: text, answer }: AnsweredTurn) => {
    const prompt = tokenizer.encodeText(text);
    const expected = await fresh.answer({ prompt, sampling });
    return answer?.text !== expected.text || answer.digest !== expected.digest;
  };
  try {
    const wrong = await Promise.all(turns.map(isWrong));
    return wrong.filter(Boolean).length;
  } finally {
    await fresh.close();
  }
}
