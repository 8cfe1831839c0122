/** What an engine says, out of the values that were captured. Types and ranges are checked here, and nothing else is believed. */
import type { EngineSegment } from "../../turns/turn-plan.ts";
import { skipSpace } from "../../../json/json-tokens.ts";
import type { EngineAnswer } from "../dialect.ts";
import { countOf, isLiteral, isOther, textOf } from "./captured-values.ts";
import type { Captures } from "./captures.ts";
import { CLOSE_ARRAY, COMMA, OPEN_ARRAY } from "./value-end.ts";

/** Of one answer; more is no answer. */
export const SEGMENT_LIMIT = 64;
const URI_LIMIT = 4096;

/** The captured fields by their numbers; undefined: this kind of answer does not have it. */
export interface AnswerFields {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly segments: number;
  readonly error: number;
  readonly weightVersion: number;
  readonly outputIds: number | undefined;
  readonly finishType: number | undefined;
}

/** Undefined where a value is too large to have been kept, or the report is none. */
export function readEngineAnswer(captures: Captures, at: AnswerFields): EngineAnswer | undefined {
  const segments = segmentsOf(captures.value(at.segments));
  if (segments === undefined) return undefined;
  const ids = at.outputIds === undefined ? undefined : captures.value(at.outputIds);
  const weights = captures.value(at.weightVersion);
  if (ids === "over" || weights === "over") return undefined;
  const completionTokens = countOf(captures.value(at.completionTokens));
  const outputIds = ids && idsOf(ids);
  return {
    promptTokens: countOf(captures.value(at.promptTokens)),
    cachedTokens: countOf(captures.value(at.cachedTokens)),
    completionTokens,
    weightVersion: weights && parsed(textOf(weights)),
    // An engine that streams increments tells the last ids only.
    outputIds: outputIds?.length === completionTokens ? outputIds : undefined,
    segments,
  };
}

/** Whether the engine said that it failed, or that it gave the request up: SGLang counts one token of the prompt of what it refuses in a stream. */
export function saysError(captures: Captures, at: AnswerFields): boolean {
  const finish = at.finishType === undefined ? undefined : captures.value(at.finishType);
  return isOther(captures.value(at.error), "null") || isLiteral(finish, '"abort"');
}

/** A list of token ids of at most 32 bits. Read here, as the list may be long, and a parser would hold up everybody for it. */
function idsOf(list: Uint8Array): number[] | undefined {
  const last = list.length - 1;
  if (list[0] !== OPEN_ARRAY || list[last] !== CLOSE_ARRAY) return undefined;
  const ids: number[] = [];
  let at = skipSpace(list, 1);
  if (at === last) return ids;
  for (;;) {
    const start = at;
    let id = 0;
    for (let digit = digitAt(list, at); digit >= 0; digit = digitAt(list, ++at)) {
      id = id * 10 + digit;
    }
    if (at === start || id > 0xffff_ffff) return undefined;
    ids.push(id);
    at = skipSpace(list, at);
    if (at === last) return ids;
    if (list[at] !== COMMA) return undefined;
    at = skipSpace(list, at + 1);
  }
}

function digitAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at] ?? 0;
  return byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : -1;
}

function segmentsOf(value: Uint8Array | "over" | undefined): EngineSegment[] | undefined {
  if (value === undefined) return [];
  const list = value === "over" ? undefined : parsed(textOf(value));
  if (list === null) return [];
  if (!Array.isArray(list) || list.length > SEGMENT_LIMIT) return undefined;
  const segments: EngineSegment[] = [];
  for (const item of list as unknown[]) {
    const segment = segmentOf(item);
    if (segment === undefined) return undefined;
    if (segment === "reservation") return [];
    segments.push(segment);
  }
  return segments;
}

/** Before its last word, or where it gave up, the engine repeats what it was sent, without a length in bytes. */
function segmentOf(item: unknown): EngineSegment | "reservation" | undefined {
  if (typeof item !== "object" || item === null) return undefined;
  const fields = item as Readonly<Record<string, unknown>>;
  const tokenStart = fields["token_start"];
  const tokenLength = fields["token_length"];
  const kvUri = fields["kv_uri"];
  const kvStart = fields["kv_start"];
  const kvLength = fields["kv_length"];
  if (!isCount(tokenStart) || !isCount(tokenLength) || tokenLength === 0) return undefined;
  if (typeof kvUri !== "string" || kvUri.length > URI_LIMIT) return undefined;
  if (!isCount(kvStart)) return undefined;
  if (kvLength === null) return "reservation";
  if (kvLength !== undefined && !isCount(kvLength)) return undefined;
  return { tokenStart, tokenLength, kvUri, kvStart, kvLength };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Undefined where it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
