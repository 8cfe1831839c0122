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
  wholeField,
} from "./fields.ts";
import { predictedTurnSchema } from "./prediction.ts";
import {
  contextField,
  kindField,
  LARGEST_TOKEN,
  lookPromptField,
  promptField,
  tokenIdsField,
} from "./prompt.ts";

const WAIT_LIMIT_MS = 60_000;
const PARTS_LIMIT = 64;

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

export const explainBody = planBody.extend({ prompt: lookPromptField });

export const prefetchBody = z
  .strictObject({ prompt: lookPromptField.optional() })
  .nullish()
  .describe("With a prompt: what is stored of it, in place of all that the session has");

export const predictBody = z
  .strictObject({
    session: sessionIdField.optional().describe("Whose next turn it is"),
    model: modelField.optional().describe("Of a session that is still to be made"),
    prompt: lookPromptField,
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
