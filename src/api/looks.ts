/** What is stored of a prompt, seen without a turn: by tokens, or by what clients send where engines keep KV in slots. */
import type * as z from "zod";

import type { Prompt } from "../kv/dialects/dialect.ts";
import type { SessionKey } from "../kv/records.ts";
import type { SlotExplanation, SlotExplainRequest } from "../kv/slots/slot-onlooker.ts";
import type { TokenSequence } from "../kv/turns/token-sequence.ts";
import type { Explanation, UnplannedReason } from "../kv/turns/turn-plan.ts";
import type { KvApiPorts } from "./ports.ts";
import { invalidField } from "./refusals.ts";
import type { lookPromptField } from "./schemas/prompt.ts";
import { sequenceOf } from "./turns.ts";

export type LookPrompt = z.output<typeof lookPromptField>;

export interface Look {
  readonly session: SessionKey;
  readonly model: string;
  /** Whether the session is still to be made. */
  readonly isNew: boolean;
  readonly prompt: LookPrompt;
}

/** Throws `request_invalid` for a prompt that is not in the form of the model's engines. */
export async function lookFor(
  { session, model, isNew, prompt }: Look,
  { slots, turns }: Pick<KvApiPorts, "slots" | "turns">,
): Promise<Explanation | SlotExplanation | UnplannedReason> {
  const onlooker = slots.ofModel(model);
  if (onlooker !== undefined) return onlooker.explain({ session, ...slotPromptOf(prompt) });
  return turns.explain({ session, prompt: tokensOf(prompt), model: isNew ? model : undefined });
}

/** Of a model whose engines keep no KV in slots. */
export function tokensOf({ text, chat, ...prompt }: LookPrompt): TokenSequence {
  if (text !== undefined) throw absent("text", BY_TOKENS);
  if (chat !== undefined) throw absent("chat", BY_TOKENS);
  return sequenceOf(prompt);
}

function slotPromptOf(prompt: LookPrompt): Omit<SlotExplainRequest, "session"> {
  if (prompt.grid.length > 0) throw absent("grid", BY_TEXT);
  if (prompt.kind !== "engine") {
    const limit = "engine, as the model's engines keep KV in slots";
    throw invalidField({ field: "prompt.kind", value: prompt.kind, limit });
  }
  const { extra_key: extraKey, cache_salt: cacheSalt } = prompt;
  return { prompt: sentPrompt(prompt), context: { extraKey, cacheSalt } };
}

function sentPrompt({ text, chat, ids }: LookPrompt): Prompt {
  if (text !== undefined) return { kind: "text", text };
  if (chat === undefined) return { kind: "ids", ids: Uint32Array.from(ids) };
  const { messages, tools = [], chat_template_kwargs: templateKwargs = {} } = chat;
  const shown = tools.length > 0 ? tools : undefined;
  return {
    kind: "chat",
    chat: { messages, tools: shown, templateKwargs, continueFinalMessage: false },
  };
}

const BY_TOKENS = "absent, as prompts of the model's engines are known by their tokens";
const BY_TEXT = "absent, as the model's engines keep KV in slots";

function absent(name: string, limit: string) {
  return invalidField({ field: `prompt.${name}`, limit });
}
