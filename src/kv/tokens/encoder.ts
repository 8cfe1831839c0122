/**
 * The tokenizer itself: pure and synchronous, so that it runs on the event loop and in worker threads alike.
 *
 * A text falls into sections at its added tokens, and each section is encoded by itself. So a text may be encoded in pieces, if
 * each piece but the first begins with the added token that the piece before it ends with (section-boundaries.ts has which).
 */
import { Tokenizer } from "@huggingface/tokenizers";
import type { AddedToken } from "@huggingface/tokenizers";
import type { JsonObject } from "./tokenizer-files.ts";

export interface Encoder {
  /** Without the tokens that the post-processor adds. */
  readonly encode: (text: string) => Uint32Array;
  /** The tokens that the post-processor adds to a whole text. */
  readonly frame: Frame;
  /** With which the model's texts begin, if with any. */
  readonly bos: number | undefined;
  /** Those that are found before a section is normalised. The longest at a place is the one that counts. */
  readonly sectionTokens: readonly AddedToken[];
}

export interface Frame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** Words of texts up to this are worth remembering. */
const REMEMBERED_CHARS = 16 * 1024;

/** Stands for a text among the tokens of its frame, and is no token of any model. */
const TEXT = "\u0000text\u0000";

/** Throws for a tokenizer that the library does not take. */
export function createEncoder(tokenizer: JsonObject, config: JsonObject): Encoder {
  const library = new Tokenizer(tokenizer, config);
  const added = [...library.get_added_tokens_decoder().values()];
  const frame = frameOf(library, config);
  const bos = specialToken(config, "bos_token");
  return {
    encode: (text) => toIds(encodeForgetting(library, text)),
    frame,
    bos: bos === undefined ? frame.before[0] : library.token_to_id(bos),
    sectionTokens: added.filter(
      ({ content, normalized }) => content !== "" && (!normalized || library.normalizer === null),
    ),
  };
}

/**
 * The library remembers the words that it met, and these may be views of the text that they were in, which would stay with them. So
 * a short text is a copy of its own, and the words of a long one are forgotten.
 */
function encodeForgetting(library: Tokenizer, text: string): number[] {
  const isLong = text.length > REMEMBERED_CHARS;
  const own = isLong ? text : Buffer.from(text, "utf16le").toString("utf16le");
  const { ids } = library.encode(own, { add_special_tokens: false });
  if (isLong) (library.model as { clear_cache?: () => void }).clear_cache?.();
  return ids;
}

/** The name of a special token in `tokenizer_config.json`: a text, or an object with its content. */
export function specialToken(config: JsonObject, name: string): string | undefined {
  const value = config[name];
  if (typeof value === "string") return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}

/**
 * `add_bos_token` and `add_eos_token` have the last word where the config says them: the engines' tokenizers build their
 * post-processor anew from these.
 */
function frameOf(library: Tokenizer, config: JsonObject): Frame {
  const tokens: readonly string[] =
    library.post_processor === null ? [TEXT] : library.post_processor([TEXT], null, true).tokens;
  const at = tokens.indexOf(TEXT);
  const before = tokens.slice(0, at).map((token) => idOf(library, token));
  const after = tokens.slice(at + 1).map((token) => idOf(library, token));
  const first = asked(library, config, "bos");
  if (first !== undefined) {
    if (first.isAdded && before[0] !== first.id) before.unshift(first.id);
    if (!first.isAdded && before[0] === first.id) before.shift();
  }
  const last = asked(library, config, "eos");
  if (last !== undefined) {
    if (last.isAdded && after.at(-1) !== last.id) after.push(last.id);
    if (!last.isAdded && after.at(-1) === last.id) after.pop();
  }
  return { before, after };
}

function asked(
  library: Tokenizer,
  config: JsonObject,
  name: "bos" | "eos",
): { isAdded: boolean; id: number } | undefined {
  const isAdded = config[`add_${name}_token`];
  if (typeof isAdded !== "boolean") return undefined;
  const token = specialToken(config, `${name}_token`);
  if (token !== undefined) return { isAdded, id: idOf(library, token) };
  if (!isAdded) return undefined;
  throw new Error(`add_${name}_token is true, and there is no ${name}_token`);
}

function idOf(library: Tokenizer, token: string): number {
  const id = library.token_to_id(token);
  if (id === undefined) throw new Error(`its special token ${token} is not in the vocabulary`);
  return id;
}

/** The library has `undefined` for what is in no vocabulary, which would be id 0 in an array of numbers. */
function toIds(ids: readonly (number | undefined)[]): Uint32Array {
  const unknown = ids.indexOf(undefined);
  if (unknown >= 0) throw new Error(`token ${unknown} of a text has no id`);
  return new Uint32Array(ids as readonly number[]);
}
