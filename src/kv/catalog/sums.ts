/** What a tenant is charged, what a location holds, and what there is of each kind of segment: sums that follow from the records. */
import type { LocationUsage, Segment, SegmentCount, TenantUsage } from "../records.ts";
import { countKey, type CountId, locationKey, tenantKey } from "./keys.ts";
import { locationUsageCodec, segmentCountCodec, tenantUsageCodec } from "./record-codecs.ts";
import { Table } from "./table.ts";
import type { CatalogTransaction, CatalogView } from "./transaction.ts";

export const tenants = new Table<{ readonly tenant: string }, TenantUsage>({
  prefix: "u",
  keyOf: ({ tenant }) => tenantKey(tenant),
  codec: tenantUsageCodec,
});

export const locations = new Table<{ readonly location: string }, LocationUsage>({
  prefix: "l",
  keyOf: ({ location }) => locationKey(location),
  codec: locationUsageCodec,
});

export const segmentCounts = new Table<CountId, SegmentCount>({
  prefix: "h",
  keyOf: countKey,
  codec: segmentCountCodec,
});

const NOTHING: LocationSums = {
  bookedBytes: 0,
  unwrittenBytes: 0,
  referencedBytes: 0,
  replicas: 0,
  replicaBytes: 0,
  idleBytes: 0,
};

/** What nobody was charged has no record. */
export function tenantUsage(view: CatalogView, tenant: string): TenantUsage {
  return tenants.get(view, { tenant }) ?? { tenant, bytes: 0, sessions: 0, pins: 0 };
}

export function locationUsage(view: CatalogView, location: string): LocationUsage {
  return locations.get(view, { location }) ?? { location, ...NOTHING };
}

export function chargeBytes(
  tx: CatalogTransaction,
  before: Segment | undefined,
  after: Segment | undefined,
): void {
  if (before?.tenant === after?.tenant && before?.bytes === after?.bytes) return;
  if (before !== undefined) chargeTenant(tx, before.tenant, { bytes: -before.bytes });
  if (after !== undefined) chargeTenant(tx, after.tenant, { bytes: after.bytes });
}

/** By the first copy. */
export function countSegment(
  tx: CatalogTransaction,
  before: Segment | undefined,
  after: Segment | undefined,
): void {
  const [from, to] = [before, after].map((each) => each && countKey(countIdOf(each)));
  if (from === to && before?.bytes === after?.bytes) return;
  if (before !== undefined) addToCount(tx, before, -1);
  if (after !== undefined) addToCount(tx, after, 1);
}

function addToCount(tx: CatalogTransaction, segment: Segment, sign: 1 | -1): void {
  const id = countIdOf(segment);
  const known = segmentCounts.get(tx, id) ?? { ...id, segments: 0, bytes: 0 };
  const count = {
    ...id,
    segments: known.segments + sign,
    bytes: known.bytes + sign * segment.bytes,
  };
  if (count.segments === 0) segmentCounts.delete(tx, id);
  else segmentCounts.save(tx, count);
}

function countIdOf({ file, retentionClass, state }: Segment): CountId {
  return { location: file.location, retentionClass, state };
}

export function chargeTenant(
  tx: CatalogTransaction,
  tenant: string,
  more: Partial<Pick<TenantUsage, "bytes" | "sessions" | "pins">>,
): void {
  const { bytes, sessions: count, pins } = tenantUsage(tx, tenant);
  const usage = {
    tenant,
    bytes: bytes + (more.bytes ?? 0),
    sessions: count + (more.sessions ?? 0),
    pins: pins + (more.pins ?? 0),
  };
  if (usage.bytes + usage.sessions + usage.pins === 0) tenants.delete(tx, usage);
  else tenants.save(tx, usage);
}

type LocationSums = Omit<LocationUsage, "location">;

export function chargeLocation(
  tx: CatalogTransaction,
  location: string,
  more: Partial<LocationSums>,
): void {
  if (!Object.values(more).some((value) => value !== 0)) return;
  const known = locationUsage(tx, location);
  const usage = {
    location,
    bookedBytes: known.bookedBytes + (more.bookedBytes ?? 0),
    unwrittenBytes: known.unwrittenBytes + (more.unwrittenBytes ?? 0),
    referencedBytes: known.referencedBytes + (more.referencedBytes ?? 0),
    replicas: known.replicas + (more.replicas ?? 0),
    replicaBytes: known.replicaBytes + (more.replicaBytes ?? 0),
    idleBytes: known.idleBytes + (more.idleBytes ?? 0),
  };
  if (usage.bookedBytes + usage.unwrittenBytes === 0) locations.delete(tx, usage);
  else locations.save(tx, usage);
}
