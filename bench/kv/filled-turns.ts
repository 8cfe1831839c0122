/** What is asked of the catalog for the session with a number: its requests, with digests that stand for a conversation. */
import { createHash } from "node:crypto";
import type {
  ReportRequest,
  Reservation,
  SettleRequest,
  TurnRequest,
} from "../../src/kv/catalog.ts";
import type { CreateRequest } from "../../src/kv/holders.ts";
import { ANCHOR_STEPS } from "../../src/kv/chain/chain-place.ts";
import type { Digest } from "../../src/kv/digest.ts";
import type { ObjectName } from "../../src/kv/location.ts";
import type { IndexPlace, SegmentChain, TurnId } from "../../src/kv/records.ts";
import {
  GEOMETRY,
  GRID_STEP,
  LOCATION,
  LOCATIONS,
  PLENTY,
  RETENTION,
  TOKEN_BYTES,
} from "./scale.ts";

const DIGEST_BYTES = 32;

/** A session by its number, at a time. */
export interface Numbered {
  readonly number: number;
  readonly nowMs: number;
}

export function createRequest({ number, nowMs }: Numbered): CreateRequest {
  const session = sessionOf(number);
  return { session, model: "bench", retention: RETENTION, quota: PLENTY, nowMs };
}

/** `ends`: of the parts of all turns; a turn has two. */
export function turnRequest(
  { number, nowMs }: Numbered,
  turn: number,
  ends: readonly number[],
): TurnRequest {
  const tokenStart = ends[2 * turn - 1] ?? 0;
  const [prompt = 0, answer = 0] = ends.slice(2 * turn);
  return {
    turn: `${timeOf(nowMs)}filled-${number}-${turn}` as TurnId,
    session: sessionOf(number),
    nowMs,
    deadlineMs: nowMs + 1,
    geometry: GEOMETRY,
    tokenBytes: TOKEN_BYTES,
    rankTokenBytes: TOKEN_BYTES,
    trusts: [],
    listed: [],
    tokenStart,
    parts: [prompt - tokenStart, answer - prompt],
    engine: "bench",
    isLost: () => false,
    whenBusy: "wait",
    newFile: {
      location: LOCATION.id,
      name: fileName(number),
      canGrow: true,
      limits: LOCATION,
      freeBytes: Number.MAX_SAFE_INTEGER,
    },
    quota: PLENTY,
  };
}

/** All that was reserved. */
export function reportRequest({ number, nowMs }: Numbered, reserved: Reservation): ReportRequest {
  const { turn, file, parts } = reserved;
  const segments = parts.map(({ tokenStart, tokenLength, kvStart }) => ({
    file,
    tokenStart,
    tokenLength,
    kvStart,
    kvLength: undefined,
    chain: chainTo(number, tokenStart, tokenStart + tokenLength),
    place: placeAt(number, tokenStart + tokenLength),
  }));
  return { turn, nowMs, settleByMs: nowMs + 1, segments };
}

export function settleRequests(
  { number, nowMs }: Numbered,
  { parts, toBytes: sizeBytes }: Reservation,
): SettleRequest[] {
  const times = `${nowMs}000000`;
  const known = { identity: `2050:${number}`, content: `${times}:${times}` };
  const stat = { ...known, sizeBytes, modifiedAtMs: nowMs };
  const verdict = { kind: "durable", crc: number, stat } as const;
  return parts.map(({ segment }) => ({ segment, nowMs, verdict, locations: LOCATIONS }));
}

/** Of the one file of a session. */
export function fileName(number: number): ObjectName {
  const rest = createHash("md5").update(`file ${number}`).digest("hex");
  return `${timeOf(number)}${rest.slice(12)}` as ObjectName;
}

/** What the program's own names begin with. */
function timeOf(ms: number): string {
  return ms.toString(16).padStart(12, "0");
}

function sessionOf(number: number) {
  return { tenant: "", id: `filled-${number}` };
}

function chainTo(number: number, start: number, end: number): SegmentChain {
  const { anchorKey, offset, gridKey, leaf } = placeAt(number, end);
  return {
    before: digestOf(number, start),
    end: {
      anchor: anchorKey,
      offset,
      grid: gridKey,
      leaf: leaf && { length: leaf.length, digest: leaf.key },
    },
  };
}

function placeAt(number: number, end: number): IndexPlace {
  const index = Math.floor(end / GRID_STEP);
  const offset = index % ANCHOR_STEPS;
  const length = end % GRID_STEP;
  return {
    anchorKey: digestOf(number, (index - offset) * GRID_STEP),
    offset,
    gridKey: digestOf(number, index * GRID_STEP),
    leaf: length === 0 ? undefined : { length, key: digestOf(number, end) },
  };
}

/** As even as an HMAC. */
function digestOf(number: number, at: number): Digest {
  const digest = createHash("sha256").update(`point ${number} ${at}`).digest();
  return new Uint8Array(digest.buffer, digest.byteOffset, DIGEST_BYTES);
}
