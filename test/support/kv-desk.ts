/**
 * What the turns of the KV service will do with a catalog, in as few words as a test can read: time, ids and names are counted,
 * prompts are short strings of which each character is a token, and the grid has a step of 4.
 */
import type {
  Catalog,
  Match,
  ReportOutcome,
  ReportRequest,
  Reservation,
  ReserveOutcome,
  SettleOutcome,
  TurnRequest,
  Verdict,
} from "../../src/kv/catalog.ts";
import type {
  AttachOutcome,
  CreatePrefixOutcome,
  CreatePrefixRequest,
  CreateRequest,
  ForkOutcome,
  ListedCopy,
  ListedSegment,
  Quota,
  Reader,
} from "../../src/kv/holders.ts";
import { type ObjectName, type ObjectStat } from "../../src/kv/location.ts";
import type { LoadRules } from "../../src/kv/model/load-rules.ts";
import {
  type FileRef,
  type IndexPlace,
  type Prefix,
  type Retention,
  type Segment,
  type SegmentId,
  segmentId,
  type SessionKey,
  type TurnId,
} from "../../src/kv/records.ts";
import { chainOf, GEOMETRY, namespaceOf, placeOf, promptOf } from "./kv-texts.ts";

export const PLENTY: Quota = { bytes: 1e15, sessions: 1e6, pins: 1e6 };
export const RETENTION: Retention = {
  name: "standard",
  ttlMs: 10_000,
  maxAgeMs: 1_000_000,
  priority: 500,
  pinLimitMs: 10_000_000,
  admission: "always",
};
export const LOAD_ALL: LoadRules = { pageSize: 1, loadThreshold: 0 };
export const STAT: ObjectStat = {
  sizeBytes: 1,
  identity: "1:1",
  content: "1",
  modifiedAtMs: 1,
};
export const DURABLE: Verdict = { kind: "durable", crc: 0xcafe, stat: STAT };
export const UNVERIFIED: Verdict = { kind: "dropped", reason: "unverified" };

/** Of what has gone. */
const NO_FILE: FileRef = { location: "disk", name: "none" as ObjectName };

/** Bytes of one token over both ranks, unless a test says otherwise. */
export const TOKEN_BYTES = 10;
const TENANTS = ["t", "u", "other", "third"];
export const QUARANTINE_MS = 900_000;

export type TurnChanges = Partial<Omit<TurnRequest, "session" | "newFile" | "listed">> & {
  readonly listed?: readonly SegmentId[];
  readonly newFile?: Partial<TurnRequest["newFile"]>;
};

/** One caller of a catalog. Every session is of the tenant "t" unless it is named as `tenant/id`. */
export class KvDesk {
  readonly catalog: Catalog;
  nowMs = 1_000_000;
  /** Of each tenant; one that is not here trusts all tenants of the tests. */
  trusts = new Map<string, Reader["trusts"]>();
  /** Of the configuration. */
  locations: ReadonlySet<string> = new Set(["disk", "dis", "other", "tmpfs"]);
  /** The copy in which a segment is read. */
  reads: (segment: Segment) => FileRef = ({ file }) => file;
  /** Where each segment lies in a namespace. */
  places = new Map<SegmentId, (namespace: string) => IndexPlace>();
  #made = 0;

  constructor(catalog: Catalog) {
    this.catalog = catalog;
  }

  /** The same caller after a restart: no id and no name comes again. */
  reopened(catalog: Catalog): KvDesk {
    const desk = new KvDesk(catalog);
    desk.nowMs = this.nowMs;
    desk.trusts = this.trusts;
    desk.#made = this.#made;
    desk.places = this.places;
    return desk;
  }

  /** Never the same again. */
  nextName(): number {
    return ++this.#made;
  }

  async create(name: string, changes: Partial<CreateRequest> = {}) {
    const base = { model: "m", retention: RETENTION, quota: PLENTY, nowMs: this.nowMs };
    return this.catalog.create({ session: key(name), ...base, ...changes });
  }

  reader(tenant: string): Reader {
    return { tenant, trusts: this.trusts.get(tenant) ?? TENANTS };
  }

  async prefixes(tenant: string): Promise<readonly Prefix[]> {
    return this.catalog.prefixes(this.reader(tenant), this.nowMs);
  }

  async visible(tenant: string, id: SegmentId): Promise<Segment | undefined> {
    return this.catalog.visibleSegment(this.reader(tenant), id, this.nowMs);
  }

  /** Those that plans of the tenant consult. */
  async namespaces(tenant: string): Promise<readonly string[]> {
    return [tenant, ...(await this.prefixes(tenant)).map(namespaceOf)];
  }

  async match(name: string, prompt: string, rules = LOAD_ALL): Promise<Match> {
    const session = key(name);
    const namespaces = await this.namespaces(session.tenant);
    const { locations } = this;
    return this.catalog.match({ session, prompt: promptOf(namespaces, prompt), rules, locations });
  }

  /** As the session lists them, or somebody else with this namespace. */
  listed(ids: readonly SegmentId[], namespace: string): ListedSegment[] {
    const place = (id: SegmentId) => this.places.get(id)?.(namespace) ?? placeOf(namespace, "");
    return ids.map((segment) => ({ segment, place: () => place(segment) }));
  }

  attach(name: string, ids: readonly SegmentId[]): Promise<AttachOutcome> {
    const session = key(name);
    const listed = this.listed(ids, session.tenant);
    const { trusts } = this.reader(session.tenant);
    return this.catalog.attach({ session, trusts, listed, nowMs: this.nowMs });
  }

  async #reading(ids: readonly SegmentId[], namespace: string): Promise<ListedCopy[]> {
    const copies = this.listed(ids, namespace).map(async (listed) => {
      const known = await this.catalog.segment(listed.segment);
      return { ...listed, file: known === undefined ? NO_FILE : this.reads(known) };
    });
    return Promise.all(copies);
  }

  async lease(name: string, ids: readonly SegmentId[], untilMs: number): Promise<boolean> {
    const session = key(name);
    const listed = await this.#reading(ids, session.tenant);
    const { trusts } = this.reader(session.tenant);
    return this.catalog.lease({ session, trusts, listed, nowMs: this.nowMs, untilMs });
  }

  /** As a turn that found nothing to read. False if there is no such session. */
  use(name: string): Promise<boolean> {
    return this.lease(name, [], this.nowMs + 1_000);
  }

  /** Of one part with 4 tokens from 0, unless it is changed. */
  async reserve(name: string, changes: TurnChanges = {}): Promise<ReserveOutcome> {
    const made = this.nextName();
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
      tokenStart: 0,
      parts: [4],
      engine: undefined,
      whenBusy: "wait",
      isLost: () => false,
      quota: PLENTY,
      trusts: this.reader(key(name).tenant).trusts,
      ...changes,
      listed: await this.#reading(changes.listed ?? [], key(name).tenant),
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
        chain: chainOf(text.slice(0, tokenStart + tokens), tokenStart),
        place: placeOf(tenant, text.slice(0, tokenStart + tokens)),
      }));
    const { turn } = reservation;
    const settleByMs = this.nowMs + 1_000;
    const report = { turn, nowMs: this.nowMs, settleByMs, segments, ...changes };
    const outcome = await this.catalog.report(report);
    for (const { id, tokenStart, tokenLength } of outcome.kind === "accepted"
      ? outcome.pending
      : []) {
      const whole = text.slice(0, tokenStart + tokenLength);
      this.places.set(id, (namespace) => placeOf(namespace, whole));
    }
    return outcome;
  }

  async settle(reservation: Reservation, part = 0, verdict = DURABLE): Promise<SettleOutcome> {
    const segment = segmentId(reservation.turn, part);
    const { nowMs, locations } = this;
    return this.catalog.settle({ segment, nowMs, verdict, locations });
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

  /** As `store`, of 4 tokens that are said to end where this longer text does, or elsewhere. */
  async storeForged(
    name: string,
    text: string,
    changes: Partial<IndexPlace> = {},
  ): Promise<Reservation> {
    const reservation = await this.reserved(name);
    const { file, parts } = reservation;
    const place = { ...placeOf(key(name).tenant, text), ...changes };
    const said = { file, kvLength: undefined, chain: chainOf(text, 0), place };
    const segments = parts.map((part) => ({ ...part, ...said }));
    await this.report(reservation, text, { segments });
    await this.settle(reservation);
    return reservation;
  }

  /** To the end. */
  async fork(
    parent: string,
    child: string,
    { sessions = PLENTY.sessions, limit = 3 } = {},
  ): Promise<ForkOutcome> {
    const step = { parent: key(parent), child: key(child).id, nowMs: this.nowMs, limit };
    const outcome = await this.catalog.fork({ ...step, quota: { ...PLENTY, sessions } });
    let after = outcome.kind === "created" ? outcome.rest : undefined;
    while (after !== undefined) after = await this.catalog.goOnFork({ ...step, after });
    return outcome;
  }

  /** `name`: of the tenant and the prefix, as `tenant/name`. To the end. */
  async createPrefix(
    name: string,
    ids: readonly SegmentId[],
    changes: Partial<CreatePrefixRequest> = {},
  ): Promise<CreatePrefixOutcome> {
    const request = this.prefixRequest(name, ids, changes);
    let outcome = await this.catalog.createPrefix(request);
    while (outcome.kind === "begun") {
      outcome = await this.catalog.goOnPrefix({ ...request, after: outcome.rest });
    }
    return outcome;
  }

  prefixRequest(
    name: string,
    ids: readonly SegmentId[],
    changes: Partial<CreatePrefixRequest> = {},
  ): CreatePrefixRequest {
    const { tenant, id } = key(name);
    const prefix = { tenant, name: id };
    const segments = this.listed(ids, namespaceOf(prefix));
    const { trusts } = this.reader(tenant);
    const base = { to: [], trusts, expiresAtMs: undefined, quota: PLENTY, nowMs: this.nowMs };
    return { prefix, segments, ...base, limit: 3, ...changes };
  }

  sweep(limit = 1_000) {
    return this.catalog.sweep({ nowMs: this.nowMs, limit, quarantineMs: QUARANTINE_MS });
  }

  async bytes(tenant = "t"): Promise<number> {
    return (await this.catalog.tenantUsage(tenant)).bytes;
  }
}

/** Where it is. */
export async function condemn(catalog: Catalog, segment: SegmentId): Promise<boolean> {
  const file = (await catalog.segment(segment))?.file;
  return file !== undefined && catalog.condemn({ segment, file });
}

/** `[tokenStart, tokenLength]` of each. */
export function ranges(segments: readonly Segment[]): number[][] {
  return segments.map(({ tokenStart, tokenLength }) => [tokenStart, tokenLength]);
}

export function key(name: string): SessionKey {
  const [tenant = "", id = ""] = name.includes("/") ? name.split("/") : ["t", name];
  return { tenant, id };
}
