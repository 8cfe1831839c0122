/**
 * Shared prefixes: a named list of segments that outlives the session it was made from, and is open to others. Each is a namespace
 * of its own, which the plans of those who may read it consult.
 */
import { AppError } from "../../../errors.ts";
import {
  type CreatePrefixOutcome,
  type CreatePrefixRequest,
  PREFIX_READERS_LIMIT,
  type PrefixPage,
  type PrefixPosition,
  PREFIXES_CONSULTED_LIMIT,
  type PrefixStepRequest,
  type Reader,
  SESSION_SEGMENTS_LIMIT,
} from "../../holders.ts";
import {
  type Namespace,
  type Prefix,
  type PrefixKey,
  prefixHolder,
  type Segment,
  type SegmentId,
} from "../../records.ts";
import {
  parseReader,
  type PrefixReaders,
  readersPrefix,
  scanPages,
  tenantPrefixes,
  under,
} from "../keys.ts";
import { tenantUsage } from "../sums.ts";
import { places, prefixes, segmentAt, segments } from "../tables.ts";
import type { CatalogTransaction, CatalogView, Key, KeyRange } from "../transaction.ts";
import { isDraft, isThere, REMOVED, UNMADE } from "../prefix-state.ts";
import { addReference, DROPPED_AT_ONCE, dropReferences, listedBy } from "./references.ts";

/** How long a prefix may be in the making. */
const DRAFT_MS = 60_000;

export function createPrefix(
  tx: CatalogTransaction,
  request: CreatePrefixRequest,
): CreatePrefixOutcome {
  const { prefix: key, to, segments: listed, quota, nowMs } = request;
  assertSound(request);
  const isLive = livePrefix(tx, key, nowMs) !== undefined;
  // What is left of one that was removed is in the same namespace, where readers of the new one would find it.
  if (isLive || prefixes.get(tx, key) !== undefined) return refused("exists");
  if (tenantUsage(tx, key.tenant).pins >= quota.pins) return refused("quota_pins");
  if (listed.length > SESSION_SEGMENTS_LIMIT) return refused("segments_limit");
  if (listed.length === 0 || !isNextVisible(tx, request, 0)) return refused("no_segment");
  const { tenant, name } = key;
  const expiresAtMs = nowMs + DRAFT_MS;
  prefixes.save(tx, { tenant, name, to, createdAtMs: UNMADE, expiresAtMs, segments: 0 });
  return listNext(tx, request, 0);
}

/** Of a draft that was begun by this very request. */
export function goOnPrefix(
  tx: CatalogTransaction,
  request: PrefixStepRequest,
): CreatePrefixOutcome {
  const { prefix: key, after, nowMs } = request;
  const draft = prefixes.get(tx, key);
  const isOurs = draft !== undefined && isDraft(draft) && draft.expiresAtMs === nowMs + DRAFT_MS;
  if (!isOurs) return refused("no_segment");
  if (isNextVisible(tx, request, after)) return listNext(tx, request, after);
  dropRemoved(tx, endPrefix(tx, draft), DROPPED_AT_ONCE);
  return refused("no_segment");
}

function isNextVisible(
  tx: CatalogTransaction,
  { prefix: { tenant }, trusts, segments: listed, limit, nowMs }: CreatePrefixRequest,
  after: number,
): boolean {
  const isVisible = visibleTo(tx, { tenant, trusts }, nowMs);
  return listed.slice(after, after + limit).every(({ segment }) => isVisible(segment));
}

/** With the last of them it is no draft any more. */
function listNext(
  tx: CatalogTransaction,
  { prefix: key, segments: listed, expiresAtMs, limit, nowMs }: CreatePrefixRequest,
  after: number,
): CreatePrefixOutcome {
  const next = after + limit;
  for (const { segment: id, place } of listed.slice(after, next)) {
    addReference(tx, prefixHolder(key), { segment: segments.must(tx, { id }), nowMs, place });
  }
  if (next < listed.length) return { kind: "begun", rest: next as PrefixPosition };
  const made = (draft: Prefix) => ({ ...draft, createdAtMs: nowMs, expiresAtMs });
  return { kind: "created", prefix: prefixes.update(tx, key, made) };
}

type Refusal = Extract<CreatePrefixOutcome, { kind: "refused" }>;

function refused(reason: Refusal["reason"]): Refusal {
  return { kind: "refused", reason };
}

export function removePrefix(tx: CatalogTransaction, key: PrefixKey, nowMs: number): boolean {
  const prefix = livePrefix(tx, key, nowMs);
  if (prefix === undefined || isDraft(prefix)) return false;
  dropRemoved(tx, endPrefix(tx, prefix), DROPPED_AT_ONCE);
  return true;
}

/** From here on it is nobody's and counts as no pin; what it lists is to be dropped by `dropRemoved`. */
export function endPrefix(tx: CatalogTransaction, prefix: Prefix): PrefixKey {
  prefixes.save(tx, { ...prefix, expiresAtMs: REMOVED });
  return prefix;
}

/** The last ones by token start. Returns how many there were; with the last one the name is free. */
export function dropRemoved(tx: CatalogTransaction, key: PrefixKey, limit: number): number {
  const dropped = dropReferences(tx, prefixHolder(key), limit);
  if (prefixes.must(tx, key).segments === 0) prefixes.delete(tx, key);
  return dropped;
}

export function knownPrefix(view: CatalogView, key: PrefixKey): Prefix | undefined {
  const prefix = prefixes.get(view, key);
  return prefix !== undefined && isThere(prefix) ? prefix : undefined;
}

export function prefixSegments(view: CatalogView, key: PrefixKey): Segment[] {
  return knownPrefix(view, key) === undefined ? [] : listedBy(view, prefixHolder(key));
}

/**
 * Those that a tenant's plans consult: its own; then, of the owners that it trusts, those that name it, and those open to everyone.
 * The oldest of each kind come first. An expired one is nobody's, swept or not.
 */
export function readablePrefixes(
  view: CatalogView,
  { tenant, trusts }: Reader,
  nowMs: number,
): Prefix[] {
  const owners = trusts.filter((owner) => owner !== tenant);
  const byAge = (readers: PrefixReaders) =>
    owners
      .flatMap((owner) => openTo(view, { owner, readers, nowMs }))
      .toSorted((a, b) => a.createdAtMs - b.createdAtMs);
  return [
    ...openTo(view, { owner: tenant, readers: { kind: "owner" }, nowMs }),
    ...byAge({ kind: "tenant", tenant }),
    ...byAge({ kind: "everyone" }),
  ].slice(0, PREFIXES_CONSULTED_LIMIT);
}

export function ownPrefixes(view: CatalogView, page: PrefixPage): readonly Prefix[] {
  const { tenant, after, limit, nowMs } = page;
  const range = { ...tenantPrefixes(tenant, after), limit };
  return firstLive(view, range, { nowMs, keyOf: (key) => key });
}

/** Whether the tenant may list a segment: it is in the tenant's namespace, or in a prefix that the tenant's plans consult. */
export function visibleTo(
  view: CatalogView,
  reader: Reader,
  nowMs: number,
): (id: SegmentId) => boolean {
  let consulted: readonly Namespace[] | undefined;
  const isIn = (segment: SegmentId) => (namespace: Namespace) =>
    places.get(view, { segment, namespace }) !== undefined;
  return (id) => {
    if (segmentAt(view, id) === undefined) return false;
    if (isIn(id)({ tenant: reader.tenant, prefix: undefined })) return true;
    consulted ??= readablePrefixes(view, reader, nowMs).map((each) => ({
      tenant: each.tenant,
      prefix: each.name,
    }));
    return consulted.some(isIn(id));
  };
}

/** One that has expired ends by the look at it. */
function livePrefix(tx: CatalogTransaction, key: PrefixKey, nowMs: number): Prefix | undefined {
  const prefix = prefixes.get(tx, key);
  if (prefix === undefined || !hasExpired(prefix, nowMs)) return prefix;
  dropRemoved(tx, endPrefix(tx, prefix), DROPPED_AT_ONCE);
  return undefined;
}

function hasExpired({ expiresAtMs }: Prefix, nowMs: number): boolean {
  return expiresAtMs !== undefined && nowMs >= expiresAtMs;
}

interface Opened {
  readonly owner: string;
  readonly readers: PrefixReaders;
  readonly nowMs: number;
}

/** No more than may be consulted. */
function openTo(view: CatalogView, { owner, readers, nowMs }: Opened): readonly Prefix[] {
  const from = readersPrefix(owner, readers);
  const range = { ...under(from), limit: PREFIXES_CONSULTED_LIMIT };
  return firstLive(view, range, { nowMs, keyOf: (key) => parseReader(from, key) });
}

/** `keyOf`: the prefix's, from one of the range. Expired ones take no place, however many wait to be swept. */
function firstLive(
  view: CatalogView,
  range: KeyRange,
  { nowMs, keyOf }: { readonly nowMs: number; readonly keyOf: (key: Key) => Key },
): readonly Prefix[] {
  const live: Prefix[] = [];
  for (const { key } of scanPages(view, range)) {
    const prefix = prefixes.at(view, keyOf(key));
    const isLive = prefix !== undefined && isThere(prefix) && !hasExpired(prefix, nowMs);
    if (isLive) live.push(prefix);
    if (live.length === range.limit) break;
  }
  return live;
}

function assertSound({ prefix: { name }, to, expiresAtMs, nowMs }: CreatePrefixRequest): void {
  if (name === "") throw new AppError("internal", "prefix name must not be empty");
  if (to !== "everyone" && to.length > PREFIX_READERS_LIMIT) {
    const limit = `must be ${PREFIX_READERS_LIMIT} or fewer`;
    throw new AppError("internal", `prefix readers ${to.length} ${limit}`);
  }
  if (expiresAtMs === undefined || expiresAtMs > nowMs) return;
  throw new AppError("internal", `prefix expiry ${expiresAtMs} must be after ${nowMs}`);
}
