/**
 * What the turns of the KV service will do with a catalog, in as few words as a test can read: time, ids and names are counted,
 * prompts are short strings of which each character is a token, and the grid has a step of 4.
 */
import { createDigests } from "../../src/digests.ts";
import type {
  Catalog,
  CreateRequest,
  ForkOutcome,
  Match,
  PromptView,
  Quota,
  ReportOutcome,
  ReportRequest,
  Reservation,
  ReserveOutcome,
  SettleOutcome,
  TurnRequest,
  Verdict,
} from "../../src/kv/catalog.ts";
import { type ObjectName, type ObjectStat } from "../../src/kv/location.ts";
import type { LoadRules } from "../../src/kv/model/load-rules.ts";
import {
  type Segment,
  type SegmentChain,
  segmentId,
  type SessionKey,
  type TurnId,
} from "../../src/kv/records.ts";

const digests = createDigests();
const STEP = 4;
const GEOMETRY = new Uint8Array(33).fill(7);

export const PLENTY: Quota = { bytes: 1e15, sessions: 1e6, pins: 1e6 };
export const RETENTION = { name: "standard", ttlMs: 10_000, maxAgeMs: 1_000_000 };
export const LOAD_ALL: LoadRules = { pageSize: 1, loadThreshold: 0 };
export const STAT: ObjectStat = {
  sizeBytes: 1,
  identity: "1:1",
  content: "1",
  modifiedAtMs: 1,
};
export const DURABLE: Verdict = { kind: "durable", crc: 0xcafe, stat: STAT };
export const UNVERIFIED: Verdict = { kind: "dropped", reason: "unverified" };

/** Bytes of one token over both ranks, unless a test says otherwise. */
export const TOKEN_BYTES = 10;
export const QUARANTINE_MS = 900_000;

/** The prompt's tokens under the key of a tenant. */
export function promptOf(tenant: string, prompt: string): PromptView {
  const namespace = {
    gridKey: (index: number) => hashed(tenant, "grid", prompt.slice(0, index * STEP)),
    leafKey(index: number, length: number) {
      const end = index * STEP + length;
      if (end > prompt.length) throw new Error(`leaf at ${end} is past the prompt`);
      return hashed(tenant, "leaf", prompt.slice(0, end));
    },
  };
  const { length } = prompt;
  return { tokens: length, length, step: STEP, namespaces: [namespace] };
}

export function chainOf(tenant: string, text: string, start: number): SegmentChain {
  const grid = Math.floor(text.length / STEP);
  const length = text.length - grid * STEP;
  const [namespace] = promptOf(tenant, text).namespaces;
  const gridKey = namespace?.gridKey(grid) ?? GEOMETRY;
  const key = hashed(tenant, "leaf", text);
  return {
    before: hashed("", "chain", text.slice(0, start)),
    after: hashed("", "chain", text),
    end: { gridKey, leaf: length === 0 ? undefined : { length, key } },
  };
}

function hashed(...parts: readonly string[]): Uint8Array {
  return digests.sha256(Buffer.from(parts.join("\0")));
}

export type TurnChanges = Partial<Omit<TurnRequest, "session" | "newFile">> & {
  readonly newFile?: Partial<TurnRequest["newFile"]>;
};

/** One caller of a catalog. Every session is of the tenant "t" unless it is named as `tenant/id`. */
export class KvDesk {
  readonly catalog: Catalog;
  nowMs = 1_000_000;
  #made = 0;

  constructor(catalog: Catalog) {
    this.catalog = catalog;
  }

  /** The same caller after a restart: no id and no name comes again. */
  reopened(catalog: Catalog): KvDesk {
    const desk = new KvDesk(catalog);
    desk.nowMs = this.nowMs;
    desk.#made = this.#made;
    return desk;
  }

  async create(name: string, changes: Partial<CreateRequest> = {}) {
    const base = { model: "m", retention: RETENTION, quota: PLENTY, nowMs: this.nowMs };
    return this.catalog.create({ session: key(name), ...base, ...changes });
  }

  async match(name: string, prompt: string, rules = LOAD_ALL): Promise<Match> {
    const session = key(name);
    return this.catalog.match({ session, prompt: promptOf(session.tenant, prompt), rules });
  }

  /** Of one part with 4 tokens from 0, unless it is changed. */
  async reserve(name: string, changes: TurnChanges = {}): Promise<ReserveOutcome> {
    const made = ++this.#made;
    const newFile = {
      location: "disk",
      name: `file-${made}` as ObjectName,
      canGrow: true,
      limits: { capacityBytes: 1e15, freeFloorBytes: 0 },
      freeBytes: 1e15,
      ...changes.newFile,
    };
    return this.catalog.reserve({
      turn: `turn-${made}` as TurnId,
      session: key(name),
      nowMs: this.nowMs,
      deadlineMs: this.nowMs + 1_000,
      geometry: GEOMETRY,
      tokenBytes: TOKEN_BYTES,
      rankTokenBytes: TOKEN_BYTES / 2,
      listed: [],
      tokenStart: 0,
      parts: [4],
      engine: undefined,
      whenBusy: "wait",
      quota: PLENTY,
      ...changes,
      newFile,
    });
  }

  /** For a test that counts on it. */
  async reserved(name: string, changes: TurnChanges = {}): Promise<Reservation> {
    const outcome = await this.reserve(name, changes);
    if (outcome.kind === "reserved") return outcome.reservation;
    throw new Error(`not reserved: ${JSON.stringify(outcome)}`);
  }

  /** As an engine that has written all tokens of the text that its parts were reserved for. */
  async report(
    reservation: Reservation,
    text: string,
    changes: Partial<ReportRequest> = {},
  ): Promise<ReportOutcome> {
    const session = await this.catalog.turn(reservation.turn);
    const tenant = session?.session.tenant ?? "t";
    const segments = reservation.parts
      .map((part) => ({ part, tokens: Math.min(part.tokenLength, text.length - part.tokenStart) }))
      .filter(({ tokens }) => tokens > 0)
      .map(({ part: { tokenStart, kvStart }, tokens }) => ({
        file: reservation.file,
        tokenStart,
        tokenLength: tokens,
        kvStart,
        kvLength: undefined,
        chain: chainOf(tenant, text.slice(0, tokenStart + tokens), tokenStart),
      }));
    const { turn } = reservation;
    const settleByMs = this.nowMs + 1_000;
    return this.catalog.report({ turn, nowMs: this.nowMs, settleByMs, segments, ...changes });
  }

  async settle(reservation: Reservation, part = 0, verdict = DURABLE): Promise<SettleOutcome> {
    const segment = segmentId(reservation.turn, part);
    return this.catalog.settle({ segment, nowMs: this.nowMs, verdict });
  }

  abort({ turn }: Reservation): Promise<boolean> {
    return this.catalog.abort({ turn, nowMs: this.nowMs });
  }

  /** A whole turn: the tokens of the text from `tokenStart` on become one durable segment. */
  async store(name: string, text: string, tokenStart = 0): Promise<Reservation> {
    const parts = [text.length - tokenStart];
    const reservation = await this.reserved(name, { tokenStart, parts });
    await this.report(reservation, text);
    await this.settle(reservation);
    return reservation;
  }

  fork(parent: string, child: string, sessions = PLENTY.sessions): Promise<ForkOutcome> {
    const quota = { ...PLENTY, sessions };
    return this.catalog.fork({ parent: key(parent), child, quota, nowMs: this.nowMs });
  }

  sweep(limit = 1_000) {
    return this.catalog.sweep({ nowMs: this.nowMs, limit, quarantineMs: QUARANTINE_MS });
  }

  async bytes(tenant = "t"): Promise<number> {
    return (await this.catalog.tenantUsage(tenant)).bytes;
  }
}

/** `[tokenStart, tokenLength]` of each. */
export function ranges(segments: readonly Segment[]): number[][] {
  return segments.map(({ tokenStart, tokenLength }) => [tokenStart, tokenLength]);
}

export function key(name: string): SessionKey {
  const [tenant = "", id = ""] = name.includes("/") ? name.split("/") : ["t", name];
  return { tenant, id };
}
