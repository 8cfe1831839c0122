import * as z from "zod";

import {
  cursorField,
  modelField,
  pageLimitField,
  retentionClassField,
  segmentIdField,
  sessionIdField,
  timeField,
  wholeField,
} from "./fields.ts";

/** More than one session may list. */
const ATTACH_LIMIT = 4096;

const ttlField = z.int().min(1);

export const createSessionBody = z.strictObject({
  id: sessionIdField.optional(),
  model: modelField,
  retention_class: retentionClassField.optional(),
  ttl_ms: ttlField.optional(),
});

const pinField = timeField.nullable().describe("Null lifts the pin");

export const patchSessionBody = z
  .strictObject({
    retention_class: retentionClassField.optional(),
    ttl_ms: ttlField.optional(),
    pinned_until_ms: pinField.optional(),
  })
  .refine((body) => Object.keys(body).length > 0, "at least one change");

export const sessionListQuery = z.strictObject({
  cursor: cursorField.optional(),
  limit: pageLimitField,
});

export const attachBody = z.strictObject({
  segments: z.array(segmentIdField).max(ATTACH_LIMIT).describe("All of them, or none"),
});

export const forkBody = z.strictObject({ id: sessionIdField.optional() }).nullish();

export const sessionSchema = z
  .object({
    id: sessionIdField,
    tenant: z.string(),
    model: z.string(),
    retention_class: z.string(),
    ttl_ms: wholeField,
    max_age_ms: wholeField,
    /** The session that it was forked from. */
    parent: z.string().nullable(),
    created_at_ms: timeField,
    expires_at_ms: timeField,
    pinned_until_ms: timeField.nullable(),
    segments: wholeField,
    open_turns: wholeField,
  })
  .meta({ id: "Session" });

export const sessionListSchema = z
  .object({ sessions: z.array(sessionSchema), next_cursor: z.string().nullable() })
  .meta({ id: "SessionList" });

export const usageSchema = z
  .object({
    tenant: z.string(),
    bytes: wholeField,
    sessions: wholeField,
    pins: wholeField,
    quota: z.object({ bytes: wholeField.nullable(), sessions: wholeField, pins: wholeField }),
  })
  .meta({ id: "Usage" });
