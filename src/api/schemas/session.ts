import * as z from "zod";

import {
  modelField,
  retentionClassField,
  sessionIdField,
  timeField,
  wholeField,
} from "./fields.ts";

const ttlField = z.int().min(1);

export const createSessionBody = z.strictObject({
  id: sessionIdField.optional(),
  model: modelField,
  retention_class: retentionClassField.optional(),
  ttl_ms: ttlField.optional(),
});

export const forkBody = z.strictObject({ id: sessionIdField.optional() }).prefault({});

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

export const usageSchema = z
  .object({
    tenant: z.string(),
    bytes: wholeField,
    sessions: wholeField,
    pins: wholeField,
    quota: z.object({ bytes: wholeField.nullable(), sessions: wholeField, pins: wholeField }),
  })
  .meta({ id: "Usage" });
