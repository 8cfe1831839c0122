/**
 * A catalog of the size that the figures are for. It is filled by the catalog's own rules, with hundreds of sessions in one
 * transaction and digests that stand for conversations nobody asks about. Session number n is the n-th to expire, `EXPIRY_STEP_MS` after the one before it.
 */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { layered } from "../../src/kv/catalog/layer.ts";
import { LmdbStore } from "../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../src/kv/catalog/rule-catalog.ts";
import { report } from "../../src/kv/catalog/rules/report.ts";
import { reserve } from "../../src/kv/catalog/rules/reserve.ts";
import { create } from "../../src/kv/catalog/rules/sessions.ts";
import { settle } from "../../src/kv/catalog/rules/settle.ts";
import type { CatalogTransaction } from "../../src/kv/catalog/transaction.ts";
import type { Reservation } from "../../src/kv/catalog.ts";
import { ANCHOR_STEPS } from "../../src/kv/chain/chain-place.ts";
import type { Digest } from "../../src/kv/digest.ts";
import type { ObjectName } from "../../src/kv/location.ts";
import type { IndexPlace, SegmentChain, TurnId } from "../../src/kv/records.ts";
import {
  CONVERSATION,
  GEOMETRY,
  GRID_STEP,
  LOCATION,
  PLENTY,
  RETENTION,
  START_MS,
  TOKEN_BYTES,
} from "./scale.ts";
import { partEnds, promptLength, randomOf } from "./prompts.ts";

const SESSIONS_PER_TRANSACTION = 200;
const PROGRESS_SESSIONS = 10_000;
const DIGEST_BYTES = 32;
export const EXPIRY_STEP_MS = 1;

/** Makes the folder. */
export async function fillCatalog(
  path: string,
  sessions: number,
  progress: (text: string) => void,
): Promise<void> {
  await mkdir(path, { recursive: true });
  const store = new LmdbStore({ path, durability: "process" });
  const catalog = await openCatalog(store);
  const random = randomOf(1);
  for (let first = 0; first < sessions; first += SESSIONS_PER_TRANSACTION) {
    const until = Math.min(sessions, first + SESSIONS_PER_TRANSACTION);
    await store.write((tx) => {
      for (let number = first; number < until; number += 1) {
        layered(tx, (rule) => fillSession(rule, number, promptLength(random)));
      }
    });
    if (until % PROGRESS_SESSIONS === 0) progress(`${until} sessions`);
  }
  await catalog.close();
}

function fillSession(tx: CatalogTransaction, number: number, length: number): void {
  const nowMs = START_MS - RETENTION.ttlMs + number * EXPIRY_STEP_MS;
  const session = { tenant: "", id: `filled-${number}` };
  create(tx, { session, model: "bench", retention: RETENTION, quota: PLENTY, nowMs });
  const ends = partEnds(length, CONVERSATION);
  for (let turn = 0; turn < CONVERSATION.turns; turn += 1) {
    const tokenStart = ends[2 * turn - 1] ?? 0;
    const [prompt = 0, answer = 0] = ends.slice(2 * turn);
    const outcome = reserve(tx, {
      turn: `filled-${number}-${turn}` as TurnId,
      session,
      nowMs,
      deadlineMs: nowMs + 1,
      geometry: GEOMETRY,
      tokenBytes: TOKEN_BYTES,
      rankTokenBytes: TOKEN_BYTES,
      listed: [],
      tokenStart,
      parts: [prompt - tokenStart, answer - prompt],
      engine: "bench",
      whenBusy: "wait",
      newFile: {
        location: LOCATION.id,
        name: fileName(number),
        canGrow: true,
        limits: LOCATION,
        freeBytes: Number.MAX_SAFE_INTEGER,
      },
      quota: PLENTY,
    });
    if (outcome.kind !== "reserved") throw new Error(`not filled: ${JSON.stringify(outcome)}`);
    commit(tx, { number, nowMs, reservation: outcome.reservation });
  }
}

/** Of a filled session. */
export function fileName(number: number): ObjectName {
  return createHash("md5").update(`file ${number}`).digest("hex") as ObjectName;
}

interface Filled {
  readonly number: number;
  readonly nowMs: number;
  readonly reservation: Reservation;
}

function commit(tx: CatalogTransaction, { number, nowMs, reservation }: Filled): void {
  const { turn, file, parts } = reservation;
  const segments = parts.map(({ tokenStart, tokenLength, kvStart }) => ({
    file,
    tokenStart,
    tokenLength,
    kvStart,
    kvLength: undefined,
    chain: chainTo(number, tokenStart, tokenStart + tokenLength),
    place: placeAt(number, tokenStart + tokenLength),
  }));
  report(tx, { turn, nowMs, settleByMs: nowMs + 1, segments });
  const identity = `2050:${number}`;
  const content = `${nowMs}000000:${nowMs}000000`;
  const stat = { sizeBytes: reservation.toBytes, identity, content, modifiedAtMs: nowMs };
  for (const { segment } of parts) {
    settle(tx, { segment, nowMs, verdict: { kind: "durable", crc: number, stat } });
  }
}

function chainTo(number: number, start: number, end: number): SegmentChain {
  const { anchorKey, offset, gridKey, leaf } = placeAt(number, end);
  return {
    before: digestOf(number, "point", start),
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
    anchorKey: digestOf(number, "point", (index - offset) * GRID_STEP),
    offset,
    gridKey: digestOf(number, "point", index * GRID_STEP),
    leaf: length === 0 ? undefined : { length, key: digestOf(number, "point", end) },
  };
}

/** As even as an HMAC. */
function digestOf(number: number, what: string, at: number): Digest {
  const digest = createHash("sha256").update(`${what} ${number} ${at}`).digest();
  return new Uint8Array(digest.buffer, digest.byteOffset, DIGEST_BYTES);
}
