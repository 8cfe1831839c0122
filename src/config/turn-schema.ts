/** The keys of `pools[].kv` beside the profile: how turns in the request path are read. Rules between them: turn-rules.ts. */
import * as z from "zod";
import type { DialectName } from "../kv/dialects/dialect.ts";
import { distinctList, filePath, integer, requestPath, text } from "./fields.ts";
import { KIB, MIB, MINUTE_MS, SECOND_MS } from "./units.ts";

const DIALECTS = [
  "sglang-session",
  "sglang-explicit",
  "llamacpp-slots",
] as const satisfies readonly DialectName[];

const tokenizer = z.strictObject({
  file: filePath,
  config: filePath.nullable().default(null),
  template: filePath.nullable().default(null),
});

const SPECIAL_TOKEN_LIMIT_BYTES = 64;

/** White space at its ends could be taken by a neighbour that strips. */
const specialToken = text(
  `1..${SPECIAL_TOKEN_LIMIT_BYTES} bytes without white space at the ends`,
  (value) =>
    value !== "" &&
    value.trim() === value &&
    value.isWellFormed() &&
    Buffer.byteLength(value) <= SPECIAL_TOKEN_LIMIT_BYTES,
);

/** Without a dialect, requests pass unread, and no other key here means anything. */
export const turnKeys = {
  dialect: z.enum(DIALECTS).nullable().default(null),
  passPaths: distinctList(requestPath, 64).default([]),
  exposeKv: z.boolean().default(false),
  bodyLimitBytes: integer(KIB, 32 * MIB).default(8 * MIB),
  holdMs: integer(100, 10 * MINUTE_MS).default(10 * SECOND_MS),
  sendTokens: z.boolean().default(true),
  tokenizer: tokenizer.nullable().default(null),
  specialTokens: distinctList(specialToken, 64).default([]),
};

export type TurnKeys = z.output<z.ZodObject<typeof turnKeys>>;
