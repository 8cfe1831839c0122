/** The `prompt` of a request to llama.cpp's server: a text, token ids, or a list with one of these in it. */
import type { Span } from "../../../json/json-members.ts";
import { decodeString } from "../../../json/json-paths.ts";
import { endOfString, jsonText, QUOTE, skipSpace } from "../../../json/json-tokens.ts";
import type { NoTurnReason, Prompt } from "../dialect.ts";
import { isList, readString, type FoundBody } from "./found-body.ts";
import { readTokenIds } from "./token-ids.ts";

const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT] = [0x5b, 0x5d, 0x7b] as const;

/** `batch` also for texts and ids in one list, which the server takes for one prompt: what its text is, nobody says. */
export function readSlotPrompt(body: FoundBody, span: Span): Prompt | NoTurnReason {
  const { bytes } = body;
  if (!isList(body, span)) {
    const text = readString(body, span);
    return text === undefined ? otherThanText(bytes[span.start]) : textPrompt(text);
  }
  const first = skipSpace(bytes, span.start + 1);
  switch (bytes[first]) {
    case QUOTE:
      return isLast(bytes, endOfString(jsonText(bytes), first + 1), span)
        ? textPrompt(textFrom(bytes, first))
        : "batch";
    case OPEN_LIST:
      return isLast(bytes, bytes.indexOf(CLOSE_LIST, first) + 1, span)
        ? idsPrompt(bytes, { ...span, start: first })
        : "batch";
    case OPEN_OBJECT:
      return "media";
    default:
      return idsPrompt(bytes, span);
  }
}

/** An object is how a prompt with media is written. */
function otherThanText(byte: number | undefined): NoTurnReason {
  return byte === OPEN_OBJECT ? "media" : "body";
}

function textPrompt(text: string): Prompt | NoTurnReason {
  return text === "" ? "body" : { kind: "text", text };
}

function textFrom(bytes: Uint8Array, quote: number): string {
  return decodeString(bytes.subarray(quote + 1, endOfString(jsonText(bytes), quote + 1) - 1));
}

/** Of ids with something else among them, the server takes texts. */
function idsPrompt(bytes: Uint8Array, span: Span): Prompt | NoTurnReason {
  const ids = readTokenIds(bytes, span);
  if (ids === undefined || ids === "batch") {
    return bytes.subarray(span.start, span.end).includes(QUOTE) ? "batch" : "body";
  }
  return { kind: "ids", ids };
}

/** Nothing of the list comes behind `end`. */
function isLast(bytes: Uint8Array, end: number, list: Span): boolean {
  return skipSpace(bytes, end) === list.end - 1;
}
