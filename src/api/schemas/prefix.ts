import * as z from "zod";

import { PREFIX_READERS_LIMIT, PREFIXES_CONSULTED_LIMIT } from "../../kv/holders.ts";
import {
  cursorField,
  pageLimitField,
  sessionIdField,
  tenantField,
  timeField,
  TOKENS_LIMIT,
  wholeField,
} from "./fields.ts";

const prefixNameField = sessionIdField;
const YEAR_MS = 365 * 86_400_000;

export const prefixPath = z.strictObject({ name: prefixNameField });

export const createPrefixBody = z
  .strictObject({
    name: prefixNameField,
    session: sessionIdField.describe("Whose first tokens it is made of"),
    tokens: z.int().min(1).max(TOKENS_LIMIT).optional().describe("Default all that it has"),
    everyone: z.boolean().default(false).describe("Whether every tenant may read it"),
    tenants: z
      .array(tenantField)
      .max(PREFIX_READERS_LIMIT)
      .default([])
      .describe("Who may read it besides its own tenant: configured tenants"),
    ttl_ms: z.int().min(1).max(YEAR_MS).optional().describe("Default until it is removed"),
  })
  .refine(({ everyone, tenants }) => !everyone || tenants.length === 0, {
    path: ["tenants"],
    error: "left out where everyone may read it",
  });

export const prefixSchema = z
  .object({
    name: z.string(),
    tenant: z.string().describe("Whose it is"),
    everyone: z.boolean(),
    tenants: z.array(z.string()).describe("Shown to its own tenant alone"),
    created_at_ms: timeField,
    expires_at_ms: timeField.nullable(),
    segments: wholeField,
  })
  .meta({ id: "Prefix" });

export const prefixListQuery = z
  .strictObject({
    list: z
      .enum(["consulted", "own"])
      .optional()
      .describe(
        `Default \`consulted\`: what the tenant's plans look into, ${PREFIXES_CONSULTED_LIMIT} at most. \`own\`: all of the tenant's, by name`,
      ),
    cursor: cursorField.optional(),
    limit: pageLimitField,
  })
  .refine(({ list, cursor, limit }) => list === "own" || (cursor ?? limit) === undefined, {
    path: ["list"],
    error: "own, where a page of it is asked for",
  });

export const prefixListSchema = z
  .object({ prefixes: z.array(prefixSchema), next_cursor: z.string().nullable() })
  .meta({ id: "PrefixList" });
