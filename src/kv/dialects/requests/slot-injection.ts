/**
 * Which slot of a llama.cpp server a turn goes to. Whatever the client wanted of the server's cache, and however the server was started, the slot is compared with the prompt, and
 * gives what it has of the prompt's beginning: without `cache_prompt` it would be computed anew from its first token, and with `n_cache_reuse`, which `--cache-reuse` sets for all
 * requests that do not say it, the server would move KV from elsewhere in the slot to where it was not computed, and save it so.
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
    const edits = memberEdits(root, { [SLOT_MEMBER]: injection.slot, ...FROM_ITS_BEGINNING });
    return { edits, openAnswer };
  };
}

const FROM_ITS_BEGINNING = { cache_prompt: true, n_cache_reuse: 0 } as const;

/** The server's own, and nobody's but ours to send. */
export const SLOT_MEMBER = "id_slot";
