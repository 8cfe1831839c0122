/** The keys of `pools[].kv.slots`: how a pool of `llama-server`s keeps what is in its slots. Without the dialect of slots, none of them means anything. */
import * as z from "zod";
import { PROFILE_TEXT_LIMIT, SEGMENT_TOKENS_LIMIT } from "../kv/model/profile.ts";
import { CACHE_TYPES } from "../kv/model/cache-types.ts";
import { filePath, integer, text } from "./fields.ts";
import { DAY_MS, MINUTE_MS } from "./units.ts";

const modelId = text(
  `1..${PROFILE_TEXT_LIMIT} characters`,
  (value) => value.length >= 1 && value.length <= PROFILE_TEXT_LIMIT && value.isWellFormed(),
);
const cacheType = z.enum(CACHE_TYPES).default("f16");

export const slotsSchema = z.strictObject({
  apiKeyFile: filePath.nullable().default(null),
  modelId: modelId.nullable().default(null),
  cacheTypeK: cacheType,
  cacheTypeV: cacheType,
  perServer: integer(1, 4096).nullable().default(null),
  contextTokens: integer(1, 100_000_000).nullable().default(null),
  save: z.enum(["every_turn", "on_evict", "idle"]).default("every_turn"),
  idleMs: integer(100, DAY_MS).default(MINUTE_MS),
  minTokens: integer(1, SEGMENT_TOKENS_LIMIT).default(256),
  waitingLimit: integer(0, 100_000).default(256),
});

export type SlotKeys = z.output<typeof slotsSchema>;
