/** Plans, commits and what they answer: in the words that engines use of themselves. */
import * as z from "zod";

import {
  engineField,
  modelField,
  segmentIdField,
  sessionIdField,
  timeField,
  tokenCountField,
  turnIdField,
  TOKENS_LIMIT,
  wholeField,
} from "./fields.ts";
import { predictedTurnSchema } from "./prediction.ts";

const LARGEST_TOKEN = 0xffff_ffff;
/** Of 64 tokens each, as a page chain has them at least. */
const GRID_LIMIT = TOKENS_LIMIT / 64;
const WAIT_LIMIT_MS = 60_000;
const PARTS_LIMIT = 64;
const DIGEST = /^[0-9a-f]{64}$/;
/** What stands for no tokens at all, so a chain that goes on from it would begin anew in the middle. */
const EMPTY_CHAIN = "0".repeat(64);
const CONTEXT_CHARACTERS = 1024;

/** One problem for a list, not one for each id: there may be a million. */
const tokenIdsField = z
  .custom<number[]>((value) => Array.isArray(value) && value.length <= TOKENS_LIMIT, {
    error: `a list of at most ${TOKENS_LIMIT} token ids`,
    abort: true,
  })
  .superRefine((ids, context) => {
    const at = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id > LARGEST_TOKEN);
    if (at === -1) return;
    const message = `an integer from 0 to ${LARGEST_TOKEN}`;
    context.addIssue({ code: "custom", path: [at], message, input: ids[at] });
  })
  .meta({
    type: "array",
    maxItems: TOKENS_LIMIT,
    items: { type: "integer", minimum: 0, maximum: LARGEST_TOKEN },
  });

const contextField = z
  .string()
  .max(CONTEXT_CHARACTERS)
  .refine((text) => text.isWellFormed(), "well-formed Unicode");

const kindField = z.enum(["engine", "tokenizer"]);

const digestField = z
  .string()
  .regex(DIGEST, "64 lower-case hex digits")
  .refine((digest) => digest !== EMPTY_CHAIN, "64 lower-case hex digits, not all of them 0")
  .describe("Lower-case hex, not all 0");

export const promptField = z
  .strictObject({
    kind: kindField.default("engine").describe("Who made the ids. Kinds never meet."),
    ids: tokenIdsField.default([]).describe("All tokens, or those after the grid's last point"),
    grid: z
      .array(digestField)
      .max(GRID_LIMIT)
      .default([])
      .describe("Digests of the first grid points, where the ids before them are not known"),
    extra_key: contextField.optional(),
    cache_salt: contextField.optional(),
  })
  .refine(({ ids, grid }) => ids.length + grid.length > 0, "at least one token");

/** In a URL, so for short prompts. */
export const explainQuery = z.strictObject({
  ids: z
    .string()
    .max(12_288)
    .regex(/^\d{1,10}(,\d{1,10})*$/, "token ids with commas between them")
    .refine(
      (ids) => ids.split(",").every((id) => Number(id) <= LARGEST_TOKEN),
      `token ids from 0 to ${LARGEST_TOKEN}`,
    ),
  kind: kindField.default("engine"),
  extra_key: contextField.optional(),
  cache_salt: contextField.optional(),
});

export const planBody = z.strictObject({
  prompt: promptField,
  max_new_tokens: tokenCountField
    .default(0)
    .describe("For which room is reserved; predictions take 0 for as many as engines like"),
  engine: engineField.optional().describe("Which process is to write; compared at the commit"),
  wait_ms: z
    .int()
    .min(0)
    .max(WAIT_LIMIT_MS)
    .default(0)
    .describe(
      "How long the answer may wait for what is brought nearer first; where too many wait, it waits for nothing",
    ),
});

export const prefetchBody = z
  .strictObject({ prompt: promptField.optional() })
  .nullish()
  .describe("With a prompt: what is stored of it, in place of all that the session has");

export const predictBody = z
  .strictObject({
    session: sessionIdField.optional().describe("Whose next turn it is"),
    model: modelField.optional().describe("Of a session that is still to be made"),
    prompt: promptField,
    max_new_tokens: tokenCountField
      .optional()
      .describe("The most that the answer may have; as many as engines like where it is not given"),
  })
  .refine(
    ({ session, model }) => (session === undefined) !== (model === undefined),
    "either session or model",
  );

/** `kv_length` is per rank in some engines: used for a check alone. Engines may say more of a segment than we read. */
const engineSegment = z.object({
  token_start: wholeField,
  token_length: wholeField,
  kv_uri: z.string().max(4096),
  kv_start: wholeField,
  kv_length: wholeField.nullish(),
});

export const commitBody = z.strictObject({
  prompt: promptField.describe("As it was planned for; ids or digests, whichever is known now"),
  output_ids: tokenIdsField.default([]),
  fresh_kv_cache: z.array(engineSegment).max(PARTS_LIMIT),
  engine: engineField.optional(),
});

export const commitQuery = z.strictObject({
  wait: z.enum(["settled"]).optional(),
});

export const ABORT_REASONS = ["client_gone", "engine_failed", "not_reported"] as const;

export const abortBody = z
  .strictObject({ reason: z.enum(ABORT_REASONS).optional() })
  .nullish()
  .describe("The reason is `client_gone` where none is given");

export const turnPath = z.strictObject({ turn: turnIdField });

export const plannedSegmentSchema = z
  .object({
    token_start: wholeField,
    token_length: wholeField,
    kv_uri: z.string(),
    kv_start: wholeField,
  })
  .meta({ id: "PlannedSegment" });

export const planSchema = z
  .object({
    turn: turnIdField.nullable().describe("Null where nothing is reserved"),
    stored_kv_cache: z.array(plannedSegmentSchema).describe("To load: from token 0, without gaps"),
    fresh_kv_cache: z.array(plannedSegmentSchema).describe("To store: the file has these bytes"),
    stored_tokens: wholeField,
    limit: z.string().describe("Why no more is listed"),
    unreserved: z.string().nullable().describe("Why nothing is reserved"),
    deadline_ms: timeField,
    prediction: predictedTurnSchema
      .nullable()
      .describe("Null where the turn could not be planned, or its model is in no pool"),
  })
  .meta({ id: "Plan" });

export const prefetchSchema = z
  .object({
    segments: wholeField,
    bytes: wholeField.describe("Theirs"),
    near_bytes: wholeField.describe("Of those that are as near as they can be"),
    queued_bytes: wholeField.describe(
      "Of those that are on their way; for the rest there is no room",
    ),
  })
  .meta({ id: "Prefetch" });

const partSchema = z.object({
  segment: segmentIdField,
  token_start: wholeField,
  token_length: wholeField,
});

export const commitSchema = z
  .object({
    turn: turnIdField,
    pending: z.array(partSchema).describe("Being verified, and not listed yet"),
    listed: z.array(partSchema).describe("Of an equal segment that was there before, the id"),
    dropped: z.array(z.object({ segment: segmentIdField, reason: z.string() })),
  })
  .meta({ id: "Commit" });
