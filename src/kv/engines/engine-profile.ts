/**
 * Whether an engine is what the pool's profile says, by its own answer to `GET /get_server_info`: SGLang's arguments as they are in
 * force, under their own names. Only what it says can be compared. A name that is missing or null is no difference, and neither is
 * a value that leaves open what it is.
 */
import type { DialectName } from "../dialects/dialect.ts";
import { DTYPE_BYTES, type ModelProfile } from "../model/profile.ts";

export type Said = Readonly<Record<string, unknown>>;

/** In words, such as `page_size 64, not 16`; empty where nothing differs. */
export function profileDifferences(said: Said, profile: ModelProfile): readonly string[] {
  return [
    ...difference("tp_size", said["tp_size"], profile.tensorParallel),
    // Stages write their layers over each other: they are told the same places.
    ...difference("pp_size", said["pp_size"], 1),
    // Both kinds of context parallelism give ranks shares that the profile's layout does not have.
    ...difference("attn_cp_size", said["attn_cp_size"], 1),
    ...difference("dcp_size", said["dcp_size"], 1),
    ...headDifference(said, profile),
    ...difference("page_size", said["page_size"], profile.pageSize),
    ...dtypeDifference(said, profile.dtype),
    ...weightDifferences(said["weight_version"], profile),
    ...modelDifference(said, profile.id),
  ];
}

/** Also of what an answer says. Changed weights whose version was not changed are nobody's to see. */
export function weightDifferences(said: unknown, profile: ModelProfile): readonly string[] {
  return difference("weight_version", weightVersion(said), profile.weightVersion);
}

/**
 * Whether it would put loaded KV where its own cache looks for other tokens, so that later prompts, anybody's, were answered from it.
 * That is known of tensorfer/sglang at 2d60d92: without `enable_hierarchical_cache` its cache is an `ExRadixCache` (`registry.py`), which cuts
 * off the list what it has itself (`ExKVCacheController.prefetch`) and inserts the rest at the root (`_insert`). With `disable_radix_cache` it
 * has nothing itself: its `match_prefix` finds nothing, and neither does a `ChunkCache`. These engines always say both; one that does not is
 * none of them, and nothing is known of it.
 */
export function misplacesLoads(said: Said, dialect: DialectName): boolean {
  if (dialect !== "sglang-explicit") return false;
  return said["enable_hierarchical_cache"] === false && said["disable_radix_cache"] !== true;
}

/** Streams of chats tell their usage to whoever does not ask: `--stream-response-default-include-usage`. */
export function tellsUsage(said: Said): boolean {
  return said["stream_response_default_include_usage"] === true;
}

/** Of a prompt: what is longer it refuses, or cuts off (`--allow-auto-truncate`). Undefined: it does not say. */
export function maxPromptTokens(said: Said): number | undefined {
  const tokens = said["max_req_input_len"];
  return typeof tokens === "number" && tokens > 0 ? tokens : undefined;
}

/** Undefined: it is no JSON object. */
export function parseSaid(text: string): Said | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Said)
      : undefined;
  } catch {
    return undefined;
  }
}

function difference(
  name: string,
  said: unknown,
  wanted: string | number | boolean,
): readonly string[] {
  if (said === undefined || said === null || said === wanted) return [];
  return [`${name} ${shown(said)}, not ${wanted}`];
}

/** What an engine sends ends up in a log line. */
const SHOWN_LIMIT = 100;

function shown(said: unknown): string {
  return (JSON.stringify(said) ?? "").slice(0, SHOWN_LIMIT);
}

const DTYPE_NAMES: Readonly<Record<string, ModelProfile["dtype"]>> = {
  bfloat16: "bf16",
  float16: "fp16",
  half: "fp16",
  float32: "fp32",
  float: "fp32",
};

/** With attention that is data-parallel, groups of ranks share the heads, and not all that `tp_size` counts. */
function headDifference(said: Said, { kind }: ModelProfile): readonly string[] {
  if (kind === "mla") return [];
  return difference("enable_dp_attention", said["enable_dp_attention"], false);
}

/**
 * `auto` is the type that the model computes in, or of 8 bits where the quantisation of its files asks for that (SGLang's
 * `configure_kv_cache_dtype`). The engine does not say which: where the profile has 8 bits, nothing is compared.
 */
function dtypeDifference(said: Said, wanted: ModelProfile["dtype"]): readonly string[] {
  const { kv_cache_dtype: stored, dtype: computed } = said;
  if (stored !== "auto") {
    const named = typeof stored === "string" ? (DTYPE_NAMES[stored] ?? stored) : stored;
    return difference("kv_cache_dtype", named, wanted);
  }
  if (typeof computed !== "string" || DTYPE_BYTES[wanted] === 1) return [];
  return difference("dtype", DTYPE_NAMES[computed], wanted);
}

/** What an engine says that was told no version. */
function weightVersion(said: unknown): unknown {
  return said === "default" ? undefined : said;
}

/** One of its two names must be the profile's. The path of a folder says nothing about what is in it. */
function modelDifference(said: Said, id: string): readonly string[] {
  const names = ["served_model_name", "model_path"].filter((key) => isName(said[key]));
  if (names.length === 0 || names.some((key) => said[key] === id)) return [];
  return [`${names.map((key) => `${key} ${shown(said[key])}`).join(", ")}, not ${id}`];
}

function isName(said: unknown): boolean {
  if (said === undefined || said === null) return false;
  return typeof said !== "string" || !/^[./~]/.test(said);
}
