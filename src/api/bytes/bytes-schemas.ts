/** What the routes of bytes take and give. Ids are judged by their handlers: one that cannot be is not found, as any other. */
import * as z from "zod";

import { timeField, wholeField } from "../schemas/fields.ts";
import { problemAnswer } from "../schemas/problem.ts";

const MAX_DIGITS = 15;

function integer(description: string) {
  return z
    .string()
    .regex(new RegExp(`^\\d{1,${MAX_DIGITS}}$`), `an integer of up to ${MAX_DIGITS} digits`)
    .transform(Number)
    .meta({ description });
}

export const segmentPath = z.strictObject({ id: z.string() });

export const readQuery = z.strictObject({
  token_start: integer(
    "First token of the session to cut out; default the segment's first",
  ).optional(),
  token_length: integer("How many tokens to cut out; default all that follow").optional(),
  rank: integer("Cut out the bytes of this rank alone").optional(),
  tenant: z
    .string()
    .regex(/^[\x21-\x7e]{0,256}$/, "up to 256 visible ASCII characters")
    .optional()
    .meta({ description: "Of a signed URL" }),
  expires: integer("Of a signed URL: Unix time in milliseconds").optional(),
  signature: z.string().max(64).optional().meta({ description: "Of a signed URL" }),
});

export type ReadQuery = z.output<typeof readQuery>;

/** Described here, and judged with the bytes at hand: what is wrong with one is as if it were not there, or a 412, or a 416. */
export const readHeaders = z.looseObject({
  range: header("Ranges of the representation, as in RFC 9110; several give multipart/byteranges"),
  "if-range": header("An entity tag: without that one, the range does not count"),
  "if-match": header("Entity tags: without one of them, 412"),
  "if-none-match": header("Entity tags: with one of them, 304"),
});

function header(description: string) {
  return z.string().optional().meta({ description });
}

export const writeQuery = z.strictObject({
  durable: z
    .enum(["true", "false"])
    .default("false")
    .meta({ description: "Answer when the bytes survive a loss of power" }),
  token_length: integer("Tokens that were written, if fewer than were reserved").optional(),
});

/** Loose, since it is all headers that are replaced by what passed. */
export const writeHeaders = z.looseObject({
  "x-moorline-crc32": z
    .string()
    .regex(/^[0-9a-fA-F]{8}$/, "8 hex digits")
    .meta({ description: "CRC-32 of the body, as in zlib" }),
});

export const writtenBytes = z.strictObject({
  id: z.string(),
  bytes: wholeField,
  crc32: z.string(),
  durable: z.boolean(),
});

/** The configuration has a limit of its own, up to this one. */
const WEEK_MS = 604_800_000;

export const urlRequest = z.strictObject({ expires_in_ms: z.int().min(1).max(WEEK_MS) });

export const signedUrl = z.strictObject({
  url: z.string(),
  expires_at_ms: timeField,
});

const BINARY = z.string().meta({ format: "binary" });
/** Described and not judged: the body stays on the socket. */
export const writeBody = z.unknown().meta({ type: "string", format: "binary" });
const bytes = (description: string) => ({
  description,
  content: { "application/octet-stream": { schema: BINARY } },
});

export const readAnswers = {
  200: bytes("All of it, with its entity tag and, if nothing was cut out, its CRC-32"),
  206: bytes("The range; of several ranges, a part of multipart/byteranges for each"),
  304: z.undefined().describe("The client has it"),
  416: problemAnswer,
};

export const headAnswers = {
  200: z.undefined().describe("As of a GET without a Range"),
  304: readAnswers[304],
};

const ENTITY = {
  etag: "Strong: it changes with the bytes, and with what is cut out",
  "x-moorline-crc32": "Of the whole segment, in 8 hex digits; not where something is cut out",
  "accept-ranges": "`bytes`",
};
const RANGE = { "content-range": "Which bytes these are, and of how many" };

export const readAnswerHeaders = {
  200: ENTITY,
  206: { ...ENTITY, ...RANGE },
  304: ENTITY,
  416: { "content-range": "Of how many bytes there are: `bytes */1024`" },
};
