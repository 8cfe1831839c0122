/** Conversations with llama-servers behind Envoy, as tests have them: what is asked, what a fresh server says to it, and what is stored. */
import { askLlama, type LlamaAnswer } from "../../demo/llama/ask.ts";
import { FreshServer } from "../../demo/llama/fresh.ts";
import { randomModelFile, TINY_MODEL } from "../../demo/llama/model.ts";
import {
  type LlamaStage,
  type LlamaStageOptions,
  startLlamaStage,
} from "../../demo/llama/stage.ts";

/** A token for each character. */
export const DOCUMENT = "A session is moored to the server where its cache lives. ".repeat(20);
const SLOTS = { slots: 2, contextTokens: 4096 };

export async function startTinyStage(
  options: Partial<LlamaStageOptions> = {},
): Promise<LlamaStage> {
  return startLlamaStage({ model: await randomModelFile(TINY_MODEL), ...SLOTS, ...options });
}

/** A third server, to be closed. */
export async function startFresh(model?: string): Promise<FreshServer> {
  const fresh = new FreshServer({
    model: model ?? (await randomModelFile(TINY_MODEL)),
    contextTokens: SLOTS.contextTokens,
  });
  await fresh.start();
  return fresh;
}

export interface Turn {
  readonly prompt: string;
  readonly answer: LlamaAnswer;
}

/** Asks through Envoy. */
export async function askTurn(stage: LlamaStage, sessionId: string, prompt: string): Promise<Turn> {
  return { prompt, answer: await askLlama({ url: stage.url, sessionId, prompt }) };
}

/** With the KV of it stored. */
export async function askSavedTurn(
  stage: LlamaStage,
  sessionId: string,
  prompt: string,
): Promise<Turn> {
  const turn = await askTurn(stage, sessionId, prompt);
  await stage.saved(sessionId, promptTokens(turn.answer));
  return turn;
}

export function promptTokens({ cachedTokens, computedTokens }: LlamaAnswer): number {
  return cachedTokens + computedTokens;
}

/** The prompt that goes on from a turn. */
export function next({ prompt, answer }: Turn, question = " And then?"): string {
  return `${prompt}${answer.text}${question}`;
}
