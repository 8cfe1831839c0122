/** Prompts: as engines with profiles count them, and as the clients of engines with slots send them. */
import * as z from "zod";

import type { ChatPrompt } from "../../kv/dialects/dialect.ts";
import { readMessages } from "../../kv/dialects/requests/messages.ts";
import { TOKENS_LIMIT } from "./fields.ts";

export const LARGEST_TOKEN = 0xffff_ffff;
/** Of 64 tokens each, as a page chain has them at least. */
const GRID_LIMIT = TOKENS_LIMIT / 64;
const DIGEST = /^[0-9a-f]{64}$/;
/** What stands for no tokens at all, so a chain that goes on from it would begin anew in the middle. */
const EMPTY_CHAIN = "0".repeat(64);
const CONTEXT_CHARACTERS = 1024;

/** One problem for a list, not one for each id: there may be a million. */
export const tokenIdsField = z
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

export const contextField = z
  .string()
  .max(CONTEXT_CHARACTERS)
  .refine((text) => text.isWellFormed(), "well-formed Unicode");

export const kindField = z.enum(["engine", "tokenizer"]);

const digestField = z
  .string()
  .regex(DIGEST, "64 lower-case hex digits")
  .refine((digest) => digest !== EMPTY_CHAIN, "64 lower-case hex digits, not all of them 0")
  .describe("Lower-case hex, not all 0");

const promptShape = {
  kind: kindField.default("engine").describe("Who made the ids. Kinds never meet."),
  ids: tokenIdsField.default([]).describe("All tokens, or those after the grid's last point"),
  grid: z
    .array(digestField)
    .max(GRID_LIMIT)
    .default([])
    .describe("Digests of the first grid points, where the ids before them are not known"),
  extra_key: contextField.optional(),
  cache_salt: contextField.optional(),
};

export const promptField = z
  .strictObject(promptShape)
  .refine(({ ids, grid }) => ids.length + grid.length > 0, "at least one token");

/** Left as it was sent, whatever it has, so that it makes the text that the same messages of a request make. */
const messagesField = z
  .custom<ChatPrompt["messages"]>(
    (value) => typeof readMessages(value) !== "string",
    "messages, at least one, each with a role, and with texts alone as its content",
  )
  .meta({
    type: "array",
    minItems: 1,
    items: { type: "object", additionalProperties: true },
  });

const toolsField = z
  .custom<unknown[]>((value) => Array.isArray(value), "a list")
  .meta({ type: "array", items: {} });

const membersField = z
  .custom<Readonly<Record<string, unknown>>>(isObject, "an object")
  .meta({ type: "object", additionalProperties: true });

/** As the clients of engines that keep KV in slots ask them. */
const chatField = z.strictObject({
  messages: messagesField,
  tools: toolsField.optional(),
  chat_template_kwargs: membersField.optional(),
});

/** For a look, which makes no turn. */
export const lookPromptField = z
  .strictObject({
    ...promptShape,
    text: z
      .string()
      .min(1)
      .optional()
      .describe("In place of ids, for a session whose engines keep KV in slots"),
    chat: chatField
      .optional()
      .describe("The same for a chat: what its requests have under these names"),
  })
  .refine(
    ({ ids, grid, text, chat }) =>
      [ids.length + grid.length > 0, text !== undefined, chat !== undefined].filter(Boolean)
        .length === 1,
    "tokens, a text or a chat, and one of these alone",
  );

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
