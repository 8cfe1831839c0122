/**
 * What restoring a slot brings and costs with real llama-servers: the time to the first token of a long conversation's next turn, computed
 * and restored, through a real Envoy; what a save and a restore take; and who waits for them. Every answer is compared with that of a
 * server that has nothing in its slots.
 */
import { FreshServer } from "../../demo/llama/fresh.ts";
import { LARGER_MODEL, randomModelFile } from "../../demo/llama/model.ts";
import { startLlamaStage } from "../../demo/llama/stage.ts";
import { medianOf, toFourDigits } from "../figures.ts";
import { formatGoals } from "../goals.ts";
import { goals } from "./goals.ts";
import { type Conversation, measureConversation } from "./conversation.ts";
import { measureOthers, type OthersReport } from "./others.ts";

interface LlamaPlan {
  readonly conversations: number;
  /** Tokens, too. */
  readonly promptChars: number;
  /** Short turns at the other server, with and without a save under way. */
  readonly others: number;
}

export interface LlamaResult {
  readonly suite: "llama";
  readonly ttft_cold_ms: number;
  readonly ttft_restored_ms: number;
  /** By the server, of the first turns' slots. */
  readonly save_ms: number;
  readonly restore_ms: number;
  /** From the end of an answer until its snapshot is listed: saved, read once, synced. */
  readonly listed_ms: number;
  readonly saved_mb: number;
  readonly bytes_per_token: number;
  /** Of Moorline, while nothing happens, and while slots are saved and restored. */
  readonly probe_idle_p99_ms: number;
  readonly probe_busy_p99_ms: number;
  /** Of turns at one server, while the other stands still in the midst of a save, and while it does not. */
  readonly ttft_other_ms: number;
  readonly ttft_other_during_save_ms: number;
  readonly wrong_answers: number;
}

const fullPlan: LlamaPlan = { conversations: 5, promptChars: 3_000, others: 20 };
const quickPlan: LlamaPlan = { conversations: 1, promptChars: 600, others: 5 };
const slots = { slots: 2, contextTokens: 4096 };
const MIB = 2 ** 20;

export async function runLlama({ isQuick }: { isQuick: boolean }): Promise<LlamaResult> {
  const plan = isQuick ? quickPlan : fullPlan;
  const progress = (text: string) => console.error(text);
  const model = await randomModelFile(LARGER_MODEL);
  const conversations: Conversation[] = [];
  let others: OthersReport;
  {
    await using parts = new AsyncDisposableStack();
    const stage = await startLlamaStage({ model, ...slots });
    parts.defer(() => stage.close());
    for (let at = 0; at < plan.conversations; at++) {
      const measured = await measureConversation(stage, { number: at, chars: plan.promptChars });
      progress(describe(measured));
      conversations.push(measured);
    }
    others = await measureOthers(stage, { chars: plan.promptChars, turns: plan.others });
  }
  progress("comparing the answers");
  const result = summarise({
    conversations,
    others,
    wrong: await countWrong(model, conversations),
  });
  progress(`goals\n${formatGoals(goals, result)}`);
  return result;
}

function describe({ cold, restored, saveMs, restoreMs }: Conversation): string {
  const [coldMs, restoredMs] = [cold, restored].map(({ answer }) => answer.firstTokenMs.toFixed(0));
  return `${coldMs} ms computed, ${restoredMs} restored; save ${saveMs.toFixed(1)}, restore ${restoreMs.toFixed(1)}`;
}

async function countWrong(model: string, conversations: readonly Conversation[]): Promise<number> {
  const fresh = new FreshServer({ model, contextTokens: slots.contextTokens });
  await fresh.start();
  try {
    let wrong = 0;
    for (const { prompt, answer } of conversations.flatMap(({ cold, restored }) => [
      cold,
      restored,
    ])) {
      wrong += (await fresh.compare(prompt, answer.text)).isSame ? 0 : 1;
    }
    return wrong;
  } finally {
    await fresh.close();
  }
}

interface Measured {
  readonly conversations: readonly Conversation[];
  readonly others: OthersReport;
  readonly wrong: number;
}

function summarise({ conversations, others, wrong }: Measured): LlamaResult {
  const median = (of: (conversation: Conversation) => number) =>
    toFourDigits(medianOf(conversations.map(of)));
  return {
    suite: "llama",
    ttft_cold_ms: median(({ cold }) => cold.answer.firstTokenMs),
    ttft_restored_ms: median(({ restored }) => restored.answer.firstTokenMs),
    save_ms: median(({ saveMs }) => saveMs),
    restore_ms: median(({ restoreMs }) => restoreMs),
    listed_ms: median(({ listedMs }) => listedMs),
    saved_mb: median(({ savedBytes }) => savedBytes / MIB),
    bytes_per_token: median(({ savedBytes, savedTokens }) => savedBytes / savedTokens),
    probe_idle_p99_ms: median(({ probeIdleP99Ms }) => probeIdleP99Ms),
    probe_busy_p99_ms: median(({ probeBusyP99Ms }) => probeBusyP99Ms),
    ttft_other_ms: toFourDigits(others.ttftMs),
    ttft_other_during_save_ms: toFourDigits(others.ttftDuringSaveMs),
    wrong_answers: wrong,
  };
}
