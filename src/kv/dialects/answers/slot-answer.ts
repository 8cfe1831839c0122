/**
 * The answers of llama.cpp's server, of which clients get every byte as it comes: nothing of ours is in them. Its `timings` tell of a prompt what was
 * taken from the slot and what was computed; where they are missing, `usage` tells as much.
 */
import type { AnswerForm, AnswerReader, EngineAnswer } from "../dialect.ts";
import type { AnswerMembers, AnswerReading } from "./answer-members.ts";
import { countOf, isLiteral, isOther } from "./captured-values.ts";
import type { Captures } from "./captures.ts";
import { EventAnswer } from "./event-answer.ts";
import { JsonAnswer } from "./json-answer.ts";
import { SievePlan } from "./sieve-plan.ts";

/** How a stream ends that is whole: by an event with `"stop":true`, which is the server's own way, or by `[DONE]`. */
export type StreamEnd = "event" | "done";

export interface SlotAnswerOptions {
  readonly form: AnswerForm;
  readonly end: StreamEnd;
}

export function openSlotAnswer({ form, end }: SlotAnswerOptions): AnswerReader {
  if (form === "error") return UNREAD;
  return form === "json" ? new JsonAnswer(MEMBERS[end]) : new EventAnswer(MEMBERS[end]);
}

/** It says nothing that anybody waits for. */
const UNREAD: AnswerReader = {
  push: (chunk) => chunk,
  finish: () => ({ rest: new Uint8Array(0), answer: undefined }),
};

const READ = [
  "timings.cache_n",
  "timings.prompt_n",
  "timings.predicted_n",
  "usage.prompt_tokens",
  "usage.prompt_tokens_details.cached_tokens",
  "usage.completion_tokens",
  "error",
] as const;
const STOP = READ.length;
/** Of each value, and of the stop. Longer ones are no counts, and errors all the same. */
const LIMITS = Array.from({ length: STOP + 1 }, () => 32);

const READING: AnswerReading = {
  read: counts,
  saysError: (captures) => isOther(valueOf(captures, "error"), "null"),
  saysEnd: (captures) => isLiteral(captures.value(STOP), "true"),
};

const MEMBERS: Readonly<Record<StreamEnd, AnswerMembers>> = {
  // Every event tells of all tokens so far, and the last of the prompt too.
  event: members([...READ, "stop"], { addsUp: false }),
  // One of its last events tells the timings, and one, if it was asked for, the usage.
  done: members(READ, { addsUp: true }),
};

function members(
  read: readonly string[],
  { addsUp }: Pick<AnswerMembers, "addsUp">,
): AnswerMembers {
  const plan = new SievePlan({ read, removed: [], report: undefined, idle: [], blank: [] });
  return { plan, limits: LIMITS.slice(0, read.length), addsUp, dropsIdle: false, reading: READING };
}

function valueOf(captures: Captures, name: (typeof READ)[number]): Uint8Array | "over" | undefined {
  return captures.value(READ.indexOf(name));
}

function counts(captures: Captures): EngineAnswer {
  const count = (name: (typeof READ)[number]) => countOf(valueOf(captures, name));
  const [cached, computed] = [count("timings.cache_n"), count("timings.prompt_n")];
  const isTimed = cached !== undefined && computed !== undefined;
  return {
    promptTokens: isTimed ? cached + computed : count("usage.prompt_tokens"),
    cachedTokens: isTimed ? cached : count("usage.prompt_tokens_details.cached_tokens"),
    completionTokens: count("timings.predicted_n") ?? count("usage.completion_tokens"),
    weightVersion: undefined,
    outputIds: undefined,
    segments: [],
  };
}
