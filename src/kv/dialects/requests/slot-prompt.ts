/** The `prompt` of a request to llama.cpp's server: a text, token ids, or a list with one of these in it. */
import type { Span } from "../../../json/json-members.ts";
import { endOfString, jsonText, QUOTE, skipSpace } from "../../../json/json-tokens.ts";
import type { Slices } from "../../../json/slices.ts";
import type { NoTurnReason, Prompt } from "../dialect.ts";
import { isList, readText, type FoundBody } from "./found-body.ts";
import { readTokenIds } from "./token-ids.ts";

const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT] = [0x5b, 0x5d, 0x7b] as const;

/** `batch` also for texts and ids in one list, which the server takes for one prompt: what its text is, nobody says. */
export function* readSlotPrompt(body: FoundBody, span: Span): Slices<Prompt | NoTurnReason> {
  const { bytes } = body;
  if (!isList(body, span)) {
    const text = yield* readText(body, span);
    return text === undefined ? otherThanText(bytes[span.start]) : textPrompt(text);
  }
  const first = skipSpace(bytes, span.start + 1);
  switch (bytes[first]) {
    case QUOTE: {
      const end = endOfString(jsonText(bytes), first + 1);
      if (!isLast(bytes, end, span)) return "batch";
      return textPrompt((yield* readText(body, { start: first, end })) ?? "");
    }
    case OPEN_LIST:
      return isLast(bytes, bytes.indexOf(CLOSE_LIST, first) + 1, span)
        ? yield* idsPrompt(bytes, { ...span, start: first })
        : "batch";
    case OPEN_OBJECT:
      return "media";
    default:
      return yield* idsPrompt(bytes, span);
  }
}

/** An object is how a prompt with media is written. */
function otherThanText(byte: number | undefined): NoTurnReason {
  return byte === OPEN_OBJECT ? "media" : "body";
}

function textPrompt(text: string): Prompt | NoTurnReason {
  return text === "" ? "body" : { kind: "text", text };
}

/** Of ids with something else among them, the server takes texts. */
function* idsPrompt(bytes: Uint8Array, span: Span): Slices<Prompt | NoTurnReason> {
  const ids = yield* readTokenIds(bytes, span);
  if (ids === undefined || ids === "batch") {
    return bytes.subarray(span.start, span.end).includes(QUOTE) ? "batch" : "body";
  }
  return { kind: "ids", ids };
}

/** Nothing of the list comes behind `end`. */
function isLast(bytes: Uint8Array, end: number, list: Span): boolean {
  return skipSpace(bytes, end) === list.end - 1;
}
