/** What an engine is told of a turn that loads from segments and stores in them, written into the request's own body. */
import { AppError } from "../../../errors.ts";
import type { Edit } from "../../../json/splice.ts";
import type { PlannedSegment } from "../../turns/turn-plan.ts";
import { answerOpener, type ReportPlace } from "../answers/open-answer.ts";
import type { SegmentInjection } from "../dialect.ts";
import { given, type FoundBody } from "./found-body.ts";
import { memberEdits, nestedEdits, NULL, replace } from "./member-edits.ts";
import type { Injector } from "./read-body.ts";
import { writeTokenIds } from "./token-ids.ts";

export interface SegmentPlace {
  readonly place: ReportPlace;
  /** The engine's report is left in what clients get. */
  readonly exposeKv: boolean;
}

export function segmentInjector({ place, exposeKv }: SegmentPlace): Injector {
  return (body, { needsUsage }, injection) => {
    if (injection.kind !== "segments") throw new AppError("internal", "segments are injected here");
    const addsUsage = needsUsage && injection.tellsUsage !== true && hasSegments(injection);
    const edits = injectionEdits(body, place, injection);
    if (addsUsage) edits.push(...usageEdits(body));
    const named = namedIn(injection);
    return { edits, openAnswer: answerOpener({ place, exposeKv, removesUsage: addsUsage, named }) };
  };
}

/** By which an answer may name what was injected, in words of its own. */
function namedIn({ engineSession, stored, fresh }: SegmentInjection): readonly string[] {
  return [engineSession, ...new Set([...stored, ...fresh].map(({ kvUri }) => kvUri))];
}

/** Where there is nothing to load and nothing to store, the engine is told of no session either. */
function injectionEdits(body: FoundBody, place: ReportPlace, injection: SegmentInjection): Edit[] {
  const { inputIds } = injection;
  return [
    ...(inputIds === undefined ? [] : tokenEdits(body, inputIds)),
    ...(hasSegments(injection) ? placeEdits(body, place, injection) : []),
  ];
}

function hasSegments({ stored, fresh }: SegmentInjection): boolean {
  return stored.length + fresh.length > 0;
}

/** Has a stream tell how many tokens its prompt had: without that count nothing of the turn can be listed. */
function usageEdits(body: FoundBody): Edit[] {
  return nestedEdits(body, "stream_options", { include_usage: true });
}

function tokenEdits(body: FoundBody, inputIds: ArrayLike<number>): Edit[] {
  const text = given(body, "text");
  if (text === undefined) return [];
  const ids = writeTokenIds(inputIds);
  const old = body.root.members.get("input_ids"); // null, or there would be no text to replace
  if (old !== undefined) return [replace(text.value, NULL), replace(old.value, ids)];
  return [replace(text.key, INPUT_IDS_KEY), replace(text.value, ids)];
}

function placeEdits(body: FoundBody, place: ReportPlace, injection: SegmentInjection): Edit[] {
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

const INPUT_IDS_KEY = new TextEncoder().encode('"input_ids"');
