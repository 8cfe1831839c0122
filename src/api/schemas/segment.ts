import * as z from "zod";

import { segmentIdField, timeField, wholeField } from "./fields.ts";
import { comparisonSchema } from "./prediction.ts";
import { prefixSchema } from "./prefix.ts";

export const segmentPath = z.strictObject({ id: segmentIdField });

const uriField = z
  .string()
  .nullable()
  .describe("Null where the location is not configured any more");

export const segmentSchema = z
  .object({
    id: segmentIdField,
    state: z.enum(["reserved", "reported", "durable"]),
    snapshot: z
      .boolean()
      .describe(
        "Saved by an engine as one opaque file, from token 0 on; found by the text of prompts, and read whole or not at all",
      ),
    token_start: wholeField,
    token_length: wholeField,
    location: z.string(),
    kv_uri: uriField,
    kv_start: wholeField,
    replicas: z
      .array(z.object({ location: z.string(), kv_uri: uriField, kv_start: wholeField }))
      .nullable()
      .describe(
        "Its other copies, each at a location of its own. For the tenant that is charged alone",
      ),
    bytes: wholeField.describe("Over all ranks"),
    crc32: z.string().nullable().describe("8 hex digits; null until it is durable"),
    usage: z
      .object({ references: wholeField, times_read: wholeField, last_read_at_ms: timeField })
      .nullable()
      .describe(
        "For the tenant that is charged alone. Reads are counted some seconds late, and not those just before a crash",
      ),
  })
  .meta({ id: "Segment" });

export const segmentListSchema = z
  .object({ segments: z.array(segmentSchema) })
  .meta({ id: "SegmentList" });

const sittingSchema = z
  .object({
    engine: z.string().describe("Its address"),
    slot: wholeField,
    tokens: wholeField.describe("In the slot since the session's last turn there"),
    reused_tokens: wholeField.describe("About how many of the prompt's these are"),
  })
  .meta({ id: "SittingSession" });

export const explanationSchema = z
  .object({
    prompt_tokens: wholeField,
    stored_tokens: wholeField.describe("What would be loaded"),
    segments: z.array(segmentSchema).describe("From token 0, without gaps"),
    limit: z.string().describe("Why no more, as a plan says it"),
    because: z.string().describe("The same in words"),
    page_size: wholeField,
    load_threshold: wholeField,
    prefixes: z.array(prefixSchema).describe("Consulted besides the tenant's own namespace"),
    unused: z.array(segmentSchema).describe("What the session lists that this prompt cannot use"),
    slots: z
      .array(sittingSchema)
      .describe("Where the session sits, as far as is known, where its engines keep KV in slots"),
    last_turn: comparisonSchema
      .nullable()
      .describe("In the request path, since the process began; null where there was none"),
  })
  .meta({ id: "Explanation" });
