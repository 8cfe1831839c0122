/**
 * Which slot of a llama.cpp server a turn goes to. Whatever the client wanted of the server's cache, the slot is compared with the prompt: without
 * `cache_prompt` it would be computed anew from its first token.
 */
import { AppError } from "../../../errors.ts";
import { openSlotAnswer, type StreamEnd } from "../answers/slot-answer.ts";
import type { AnswerForm } from "../dialect.ts";
import { memberEdits } from "./member-edits.ts";
import type { Injector } from "./read-body.ts";

/** `end`: of its streams. */
export function slotInjector(end: StreamEnd): Injector {
  const openAnswer = (form: AnswerForm) => openSlotAnswer({ form, end });
  return ({ root }, _facts, injection) => {
    if (injection.kind !== "slot") throw new AppError("internal", "a slot is injected here");
    const edits = memberEdits(root, { [SLOT_MEMBER]: injection.slot, cache_prompt: true });
    return { edits, openAnswer };
  };
}

/** The server's own, and nobody's but ours to send. */
export const SLOT_MEMBER = "id_slot";
