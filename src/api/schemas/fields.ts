/** What several bodies, paths and answers are made of. */
import * as z from "zod";

import { TENANT_LIMIT_BYTES } from "../../affinity/session-key.ts";

/** Of tokens in one request, and in one segment. */
export const TOKENS_LIMIT = 1_048_576;

function visible(characters: number) {
  const rule = new RegExp(`^[\\x21-\\x7e]{1,${characters}}$`);
  return z.string().regex(rule, `1 to ${characters} visible ASCII characters`);
}

export const sessionIdField = visible(256);
export const modelField = visible(256);
export const tenantField = visible(TENANT_LIMIT_BYTES);
export const engineField = visible(256);
export const retentionClassField = visible(63);
export const segmentIdField = visible(80);
export const turnIdField = visible(64);

/** Exact in JSON. */
export const wholeField = z.int().min(0);
/** Wall clock, in milliseconds. */
export const timeField = wholeField;
export const tokenCountField = wholeField.max(TOKENS_LIMIT);

/** Where the next page goes on; nothing in it is for clients to read. */
export const cursorField = z.string().regex(/^[A-Za-z0-9_-]{1,1024}$/, "a cursor of this list");
const pageLimit = "an integer from 1 to 1000";
/** A query is text. */
export const pageLimitField = z
  .string()
  .regex(/^([1-9][0-9]{0,2}|1000)$/, pageLimit)
  .optional();

export const sessionPath = z.strictObject({ id: sessionIdField });
