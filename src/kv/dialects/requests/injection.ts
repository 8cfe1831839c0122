/** What the engine is told of a turn, written into the request's own body. */
import type { FoundObject } from "../../../json/json-members.ts";
import { type Edit, joined } from "../../../json/splice.ts";
import type { PlannedSegment } from "../../turns/turn-plan.ts";
import type { ReportPlace } from "../answers/open-answer.ts";
import type { Injection } from "../dialect.ts";
import { given, type FoundBody } from "./found-body.ts";
import { writeTokenIds } from "./token-ids.ts";

/** Where there is nothing to load and nothing to store, the engine is told of no session either. */
export function injectionEdits(body: FoundBody, place: ReportPlace, injection: Injection): Edit[] {
  const { inputIds } = injection;
  return [
    ...(inputIds === undefined ? [] : tokenEdits(body, inputIds)),
    ...(hasSegments(injection) ? placeEdits(body, place, injection) : []),
  ];
}

export function hasSegments({ stored, fresh }: Injection): boolean {
  return stored.length + fresh.length > 0;
}

/** Has a stream tell how many tokens its prompt had: without that count nothing of the turn can be listed. */
export function usageEdits(body: FoundBody): Edit[] {
  return nestedEdits(body, "stream_options", { include_usage: true });
}

function tokenEdits(body: FoundBody, inputIds: ArrayLike<number>): Edit[] {
  const text = given(body, "text");
  if (text === undefined) return [];
  const ids = writeTokenIds(inputIds);
  const old = body.root.members.get("input_ids"); // null, or there would be no text to replace
  if (old !== undefined) return [replace(text.value, NULL), replace(old.value, ids)];
  const member = { start: text.key.start, end: text.value.end };
  return [replace(member, joined([INPUT_IDS_KEY, ids]))];
}

function placeEdits(body: FoundBody, place: ReportPlace, injection: Injection): Edit[] {
  const { engineSession: id, stored, fresh } = injection;
  const [loaded, reserved] = [stored.map(segmentJson), fresh.map(segmentJson)];
  if (place === "session_params") {
    const params = {
      id,
      ...listed("stored_kv_cache", loaded),
      ...listed("fresh_kv_cache", reserved),
    };
    return nestedEdits(body, place, params);
  }
  const params = {
    id,
    ...listed("stored_kvcache", loaded),
    ...listed("fresh_kvcache", reserved),
  };
  return place === "kvcache_params"
    ? memberEdits(body.root, { [place]: params })
    : nestedEdits(body, place, { kvcache_params: params });
}

function listed(name: string, segments: readonly object[]): object {
  return segments.length === 0 ? {} : { [name]: segments };
}

/** Never `kv_length`: see `PlannedSegment`. */
function segmentJson({ tokenStart, tokenLength, kvUri, kvStart }: PlannedSegment): object {
  return {
    token_start: tokenStart,
    token_length: tokenLength,
    kv_uri: kvUri,
    kv_start: kvStart,
  };
}

/** Into the object of that name at the root, which is made where there is none. */
function nestedEdits(body: FoundBody, name: string, members: object): Edit[] {
  const object = given(body, name)?.object;
  return object === undefined
    ? memberEdits(body.root, { [name]: members })
    : memberEdits(object, members);
}

/** Gives an object these members, at its head where it does not have them yet. */
function memberEdits(object: FoundObject, members: object): Edit[] {
  const edits: Edit[] = [];
  const added: string[] = [];
  for (const [name, value] of Object.entries(members)) {
    const old = object.members.get(name);
    const json = JSON.stringify(value);
    if (old === undefined) added.push(`${JSON.stringify(name)}:${json}`);
    else edits.push(replace(old.value, utf8.encode(json)));
  }
  if (added.length === 0) return edits;
  const separator = object.isEmpty ? "" : ",";
  const head = { start: object.start, end: object.start };
  return [replace(head, utf8.encode(added.join(",") + separator)), ...edits];
}

function replace({ start, end }: Edit, bytes: Uint8Array): Edit {
  return { start, end, bytes };
}

const utf8 = new TextEncoder();
export const NULL = utf8.encode("null");
const INPUT_IDS_KEY = utf8.encode('"input_ids":');
