/** One long conversation: its first turn is computed, its second one restored, as nothing of it is in a slot any more. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { askLlama, type LlamaAnswer } from "../../demo/llama/ask.ts";
import type { LlamaServer } from "../../demo/llama/server.ts";
import { actOnSlot } from "../../demo/llama/slots.ts";
import type { LlamaStage } from "../../demo/llama/stage.ts";
import { percentileOf } from "../figures.ts";
import { Probe } from "./probe.ts";
import { textOf } from "./text.ts";

export interface Turn {
  readonly prompt: string;
  readonly answer: LlamaAnswer;
}

export interface Conversation {
  readonly cold: Turn;
  readonly restored: Turn;
  readonly saveMs: number;
  readonly restoreMs: number;
  readonly listedMs: number;
  readonly savedBytes: number;
  readonly savedTokens: number;
  readonly probeIdleP99Ms: number;
  readonly probeBusyP99Ms: number;
}

export interface ConversationPlan {
  readonly number: number;
  readonly chars: number;
}

const tokens = 24;
const idleMs = 1_000;
const saves = 3;

/** Rejects where the second turn was not restored. */
export async function measureConversation(
  stage: LlamaStage,
  { number, chars }: ConversationPlan,
): Promise<Conversation> {
  const sessionId = `bench-${number}`;
  const { url, moorline } = stage;
  const prompt = textOf(number, chars);
  const idle = await Probe.during(moorline, async () => pauseFor(idleMs));
  const answer = await askLlama({ url, sessionId, prompt, tokens });
  const answeredMs = performance.now();
  let restoredTurn: Turn | undefined;
  let listedMs = Number.NaN;
  const home = await stage.homeOf(sessionId);
  const busy = await Probe.during(moorline, async () => {
    await stage.saved(sessionId, answer.computedTokens);
    listedMs = performance.now() - answeredMs;
    await eraseSlots(home);
    const nextPrompt = `${prompt}${answer.text} And then?`;
    const restored = await askLlama({ url, sessionId, prompt: nextPrompt, tokens });
    if (!restored.kvStatus.includes("from=restored"))
      throw new Error(`the turn was not restored: ${restored.kvStatus}`);
    restoredTurn = { prompt: nextPrompt, answer: restored };
    await stage.saved(sessionId, restored.cachedTokens + restored.computedTokens);
  });
  if (restoredTurn === undefined) throw new Error("nothing was restored");
  const times = await timeSlot(stage, { server: home, slot: restoredTurn.answer.slot });
  return {
    cold: { prompt, answer },
    restored: restoredTurn,
    ...times,
    listedMs,
    probeIdleP99Ms: percentileOf(idle, 0.99),
    probeBusyP99Ms: percentileOf(busy, 0.99),
  };
}

/** What was in them is lost, and the server lives on. */
async function eraseSlots({ url }: LlamaServer): Promise<void> {
  for (const slot of [0, 1]) await actOnSlot(url, { slot, action: "erase" });
}

interface SlotPlace {
  readonly server: LlamaServer;
  readonly slot: number;
}

/** As the server says that they took: the fastest of some, as the disk is busy with other things too. */
async function timeSlot({ staging }: LlamaStage, { server, slot }: SlotPlace) {
  const filename = "bench.slot";
  let [saveMs, restoreMs, savedBytes, savedTokens] = [Infinity, Infinity, 0, 0];
  for (let at = 0; at < saves; at++) {
    const saved = await actOnSlot(server.url, { slot, action: "save", filename });
    const restored = await actOnSlot(server.url, { slot, action: "restore", filename });
    await rm(join(staging, filename));
    saveMs = Math.min(saveMs, timingOf(saved.body, "save_ms"));
    restoreMs = Math.min(restoreMs, timingOf(restored.body, "restore_ms"));
    [savedBytes, savedTokens] = [Number(saved.body["n_written"]), Number(saved.body["n_saved"])];
  }
  return { saveMs, restoreMs, savedBytes, savedTokens };
}

function timingOf(body: Readonly<Record<string, unknown>>, name: string): number {
  return Number((body["timings"] as Readonly<Record<string, unknown>>)[name]);
}

async function pauseFor(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
