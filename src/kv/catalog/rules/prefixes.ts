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
  PREFIXES_CONSULTED_LIMIT,
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
import { isRemoved, REMOVED } from "../removed-prefix.ts";
import { addReference, DROPPED_AT_ONCE, dropReferences, listedBy } from "./references.ts";

export function createPrefix(
  tx: CatalogTransaction,
  request: CreatePrefixRequest,
): CreatePrefixOutcome {
  const { prefix: key, to, trusts, segments: listed, expiresAtMs, quota, nowMs } = request;
  assertSound(request);
  const isLive = livePrefix(tx, key, nowMs) !== undefined;
  // What is left of one that was removed is in the same namespace, where readers of the new one would find it.
  if (isLive || prefixes.get(tx, key) !== undefined) return { kind: "refused", reason: "exists" };
  if (tenantUsage(tx, key.tenant).pins >= quota.pins) {
    return { kind: "refused", reason: "quota_pins" };
  }
  if (listed.length > SESSION_SEGMENTS_LIMIT) return { kind: "refused", reason: "segments_limit" };
  const isVisible = visibleTo(tx, { tenant: key.tenant, trusts }, nowMs);
  if (listed.length === 0 || !listed.every(({ segment }) => isVisible(segment))) {
    return { kind: "refused", reason: "no_segment" };
  }
  const { tenant, name } = key;
  prefixes.save(tx, { tenant, name, to, createdAtMs: nowMs, expiresAtMs, segments: 0 });
  for (const { segment: id, place } of listed) {
    addReference(tx, prefixHolder(key), { segment: segments.must(tx, { id }), nowMs, place });
  }
  return { kind: "created", prefix: prefixes.must(tx, key) };
}

export function removePrefix(tx: CatalogTransaction, key: PrefixKey, nowMs: number): boolean {
  const prefix = livePrefix(tx, key, nowMs);
  if (prefix === undefined) return false;
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
  return prefix === undefined || isRemoved(prefix) ? undefined : prefix;
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
    if (prefix !== undefined && !hasExpired(prefix, nowMs)) live.push(prefix);
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
