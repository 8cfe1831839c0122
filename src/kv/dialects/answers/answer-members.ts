/** Where each kind of answer has what is read, and what of it the client does not see. */
import type { EngineAnswer } from "../dialect.ts";
import type { Captures } from "./captures.ts";
import { type AnswerFields, readEngineAnswer, saysError } from "./engine-answer.ts";
import { SievePlan } from "./sieve-plan.ts";

/**
 * Where the engine's report is in an answer: the member at the root of the JSON text or of each event, or for a chat
 * `kv_transfer_params.kvcache_params` in the JSON text, or in one event of its own before `[DONE]`.
 */
export type ReportPlace = "session_params" | "kvcache_params" | "kv_transfer_params";

export interface AnswerMembers {
  readonly plan: SievePlan;
  readonly reading: AnswerReading;
  /** Bytes, by the numbers of the fields. */
  readonly limits: readonly number[];
  /** The events of a chat each tell a part; those of `/generate` each tell all so far, of which only the last is true. */
  readonly addsUp: boolean;
  /** An event that is left with its idle members alone is left out. */
  readonly dropsIdle: boolean;
}

/** What the values say that were captured. */
export interface AnswerReading {
  /** Of a whole answer. Undefined: it is not understood. */
  read(captures: Captures): EngineAnswer | undefined;
  /** The engine says that it failed. */
  saysError(captures: Captures): boolean;
  /** An event says itself that it is the last one, without a `[DONE]`. */
  saysEnd(captures: Captures): boolean;
}

function readingOf(fields: AnswerFields): AnswerReading {
  return {
    read: (captures) => readEngineAnswer(captures, fields),
    saysError: (captures) => saysError(captures, fields),
    saysEnd: () => false,
  };
}

/** The order of what is read, and of the limits. */
const FIELDS: AnswerFields = {
  promptTokens: 0,
  cachedTokens: 1,
  completionTokens: 2,
  segments: 3,
  error: 4,
  weightVersion: 5,
  outputIds: 6,
  finishType: 7,
};
const LIMITS = [32, 32, 32, 256 * 1024, 8, 2048, 1024 * 1024, 16];

const GENERATE_COUNTS = ["prompt_tokens", "cached_tokens", "completion_tokens"].map(
  (name) => `meta_info.${name}`,
);
const CHAT_COUNTS = [
  "prompt_tokens",
  "prompt_tokens_details.cached_tokens",
  "completion_tokens",
].map((name) => `usage.${name}`);
const CHAT_IDLE = ["id", "object", "created", "model", "system_fingerprint", "service_tier"];

interface MembersOptions {
  readonly place: ReportPlace;
  readonly exposeKv: boolean;
  /** Of a chat; false unless given. */
  readonly removesUsage?: boolean;
}

export function answerMembers(options: MembersOptions): AnswerMembers {
  const { place, exposeKv } = options;
  if (place === "kv_transfer_params") return chatMembers(options);
  const report = place === "session_params" ? "fresh_kv_cache" : "fresh_kvcache";
  const plan = new SievePlan({
    read: [
      ...GENERATE_COUNTS,
      `${place}.${report}`,
      "error",
      "meta_info.weight_version",
      "output_ids",
      "meta_info.finish_reason.type",
    ],
    removed: exposeKv ? [] : [place],
    report: undefined,
    idle: [],
    blank: [],
  });
  return { plan, reading: readingOf(FIELDS), limits: LIMITS, addsUp: false, dropsIdle: false };
}

/**
 * The report has an event of its own, with a choice in which nothing is said. In OpenAI's protocol, a stream that is asked for its usage has it as null in every event, and then in one of its own without choices.
 * SGLang adds the latter only; the nulls it sends to everybody or to nobody, as its release is.
 */
function chatMembers({ exposeKv, removesUsage = false }: MembersOptions): AnswerMembers {
  const report = "kv_transfer_params.kvcache_params";
  const removed = [...(exposeKv ? [] : [report]), ...(removesUsage ? ["usage"] : [])];
  const read = [...CHAT_COUNTS, `${report}.fresh_kvcache`, "error", "metadata.weight_version"];
  const plan = new SievePlan({
    read,
    removed,
    report: exposeKv ? undefined : report,
    idle: CHAT_IDLE,
    blank: ["choices"],
  });
  const reading = readingOf({ ...FIELDS, outputIds: undefined, finishType: undefined });
  const dropsIdle = removed.length > 0;
  return { plan, reading, limits: LIMITS.slice(0, read.length), addsUp: true, dropsIdle };
}
