/**
 * The keys of the catalog. One letter names the table or index; texts end with NUL, which none of them contains; numbers are 8
 * bytes, high ones first; so the order of keys is the order of what they are made of.
 */
import { AppError } from "../../errors.ts";
import type { Digest } from "../digest.ts";
import type {
  FileRef,
  Holder,
  IndexPlace,
  PlacedSegment,
  Prefix,
  PrefixKey,
  Segment,
  SegmentCount,
  SegmentId,
  SessionKey,
  SessionLife,
  TurnId,
} from "../records.ts";
import type { CatalogView, Entry, Key, KeyRange } from "./transaction.ts";

const NUL = "\0";
const VISIBLE_ASCII = /^[\x21-\x7e]{0,256}$/;

/** For what has its own bound, such as everything that belongs to one session. */
export const UNLIMITED = 0x7fff_ffff;

export const schemaKey: Key = "v";
export const sessionKey = ({ tenant, id }: SessionKey): Key => `s${textKey(tenant)}${textKey(id)}`;
/** Those of a tenant, after the one with this id. */
export function tenantSessions(tenant: string, id: string | undefined): Omit<KeyRange, "limit"> {
  const all = `s${textKey(tenant)}`;
  const from = id === undefined ? all : after(sessionKey({ tenant, id }));
  return { from, to: after(all) };
}
export const segmentKey = (id: SegmentId): Key => `g${textKey(id)}`;
export const turnKey = (id: TurnId): Key => `t${textKey(id)}`;
export const fileKey = (ref: FileRef): Key => `f${textKey(ref.location)}${textKey(ref.name)}`;
export const tenantKey = (tenant: string): Key => `u${textKey(tenant)}`;
export const countKey = ({ location, retentionClass, state }: CountId): Key =>
  `h${textKey(location)}${textKey(retentionClass)}${state}`;
export const locationKey = (location: string): Key => `l${textKey(location)}`;
/**
 * Of a grid point or a leaf. A digest that a client made up may be that of two positions; with the anchor and the steps from it to
 * the grid point, each has an entry of its own.
 */
export const chainKey = ({ anchorKey, offset }: GridPlace, digest: Digest): Key =>
  `c${digestKey(anchorKey)}${String.fromCharCode(offset)}${digestKey(digest)}`;
export type GridPlace = Pick<IndexPlace, "anchorKey" | "offset">;
/** Right before the entries below it, so that they change on the same pages. */
export const anchorKey = (digest: Digest): Key => `c${digestKey(digest)}`;

/** Where a segment is found. */
export const placeKey = ({ segment, namespace }: PlaceId): Key =>
  `${placesPrefix(segment, namespace.tenant)}${textKey(namespace.prefix ?? "")}`;
export type PlaceId = Pick<PlacedSegment, "segment" | "namespace">;
export const placesPrefix = (segment: SegmentId, tenant: string): Key =>
  `n${textKey(segment)}${textKey(tenant)}`;

export const prefixKey = ({ tenant, name }: PrefixKey): Key =>
  `p${textKey(tenant)}${textKey(name)}`;
export const holderKey = (holder: Holder): Key => {
  const { kind, tenant, id, life } = holder;
  if (kind === "prefix") return prefixKey({ tenant, name: id });
  return `${sessionKey(holder)}${textKey(String(life))}`;
};

/** Those that have ended and still list something. */
export const ENDED = "o";
export const endedKey = (session: SessionLife): Key =>
  `${endedPrefix(session)}${textKey(String(session.life))}`;
export const endedPrefix = (session: SessionKey): Key => ENDED + sessionKey(session);

/** Those whose files are not all told that they are worth less. */
export const LOWERED = "m";
export const loweredKey = (session: SessionLife): Key =>
  `${LOWERED}${sessionKey(session)}${textKey(String(session.life))}`;

/** Segments that nobody lists any more, and that are still referred to. */
export const WITHDRAWN = "j";
export const withdrawnKey = (id: SegmentId): Key => WITHDRAWN + textKey(id);

/** Those of a tenant, after the one with this name. */
export function tenantPrefixes(tenant: string, name: string | undefined): Omit<KeyRange, "limit"> {
  const all = `p${textKey(tenant)}`;
  const from = name === undefined ? all : after(prefixKey({ tenant, name }));
  return { from, to: after(all) };
}

/** What a holder lists, by token start. */
export const referencesPrefix = (holder: Holder): Key => `r${holderKey(holder)}`;
export const referenceKey = (holder: Holder, { tokenStart, id }: ReferredSegment): Key =>
  `${referencesPrefix(holder)}${numberKey(tokenStart)}${id}`;

export type ReferredSegment = Pick<Segment, "tokenStart" | "id">;

/** Who lists a segment, by since when. */
export const referrersPrefix = (id: SegmentId): Key => `b${textKey(id)}`;
export const referrerKey = (id: SegmentId, { holder, sinceMs }: Referrer): Key =>
  `${referrersPrefix(id)}${numberKey(sinceMs)}${holderKey(holder)}`;
export interface Referrer {
  readonly holder: Holder;
  readonly sinceMs: number;
}

/** The prefixes of one owner: all, or those open to a tenant by name, or those open to everyone; each by age. */
export type PrefixReaders =
  | { readonly kind: "owner" | "everyone" }
  | { readonly kind: "tenant"; readonly tenant: string };
export const readersPrefix = (owner: string, readers: PrefixReaders): Key =>
  `w${textKey(owner)}${readers.kind[0]}${readers.kind === "tenant" ? textKey(readers.tenant) : ""}`;
export const readerKey = (readers: PrefixReaders, prefix: Prefix): Key =>
  `${readersPrefix(prefix.tenant, readers)}${numberKey(prefix.createdAtMs)}${prefixKey(prefix)}`;

/** The durable segments with a copy in a file, by token end, the last one first. */
export const inFilePrefix = (file: FileRef): Key => `i${fileKey(file)}`;
export const inFileKey = (file: FileRef, { tokenStart, tokenLength, id }: Segment): Key =>
  `${inFilePrefix(file)}${numberKey(Number.MAX_SAFE_INTEGER - tokenStart - tokenLength)}${id}`;

/** What may be evicted in a location: the lowest priority first; of equal ones replicas alone, then the fewest reads per byte. */
export const evictablePrefix = (location: string, priority: number): Key =>
  `k${textKey(location)}${numberKey(priority)}`;
export const evictableKey = (file: FileRef, rank: EvictionRank): Key =>
  evictablePrefix(file.location, rank.priority) +
  (rank.hasFirstCopies ? "1" : "0") +
  numberKey(rank.readsPerByte) +
  fileKey(file);
export interface EvictionRank {
  readonly priority: number;
  readonly hasFirstCopies: boolean;
  readonly readsPerByte: number;
}

export const compactableKey = (file: FileRef): Key => `z${fileKey(file)}`;

/** How far the scrubber is. */
export const scrubKey: Key = "y";

export type CountId = Pick<SegmentCount, "location" | "retentionClass" | "state">;

/** What falls due, soonest first. Idle files are in one of two: `q` if they have a quarantine, else `a`. */
export type DueIndex = "a" | "e" | "d" | "q" | "x";
export const dueKey = (index: DueIndex, atMs: number, of: Key): Key => index + numberKey(atMs) + of;

const NUMBER_CHARACTERS = 8;

/** The holder key that this starts with, undone. */
export function parseHolder(key: Key): Holder {
  const [tenant = "", id = "", life = ""] = key.slice(1).split(NUL, 3);
  if (key.startsWith("s")) return { kind: "session", tenant, id, life: Number(life) };
  return { kind: "prefix", tenant, id, life: 0 };
}

export function parseReferrer(prefix: Key, key: Key): Holder {
  return parseHolder(key.slice(prefix.length + NUMBER_CHARACTERS));
}

/** The key of the prefix that is open. */
export function parseReader(prefix: Key, key: Key): Key {
  return key.slice(prefix.length + NUMBER_CHARACTERS);
}

/** The file of a key in the index of those that may be evicted. */
export function parseEvictable(location: string, key: Key): Key {
  return key.slice(evictablePrefix(location, 0).length + 1 + NUMBER_CHARACTERS);
}

/** The file of a key in the index of those that may be compacted. */
export function parseCompactable(key: Key): Key {
  return key.slice(1);
}

/** The segment of a reference key, or of one in a file. */
export function parseReference(prefix: Key, key: Key): SegmentId {
  return key.slice(prefix.length + NUMBER_CHARACTERS) as SegmentId;
}

/** The key of the record that is due. */
export function parseDue(key: Key): Key {
  return key.slice(1 + NUMBER_CHARACTERS);
}

/** Everything whose key starts with the prefix, which ends below 255. */
export function scan(view: CatalogView, prefix: Key, limit: number): readonly Entry[] {
  return view.range({ from: prefix, to: after(prefix), limit });
}

/** All of the range, read as far as it is asked for: in pages of its limit. */
export function* scanPages(view: CatalogView, { from, to, limit }: KeyRange): Generator<Entry> {
  let page = view.range({ from, to, limit });
  for (;;) {
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return;
    page = view.range({ from: `${last.key}\0`, to, limit });
  }
}

/** Everything that begins with it. */
export function under(prefix: Key): Omit<KeyRange, "limit"> {
  return { from: prefix, to: after(prefix) };
}

/** What follows a key, under the same letter. */
export function scanAfter(view: CatalogView, key: Key, limit: number): readonly Entry[] {
  return view.range({ from: `${key}\0`, to: after(key.slice(0, 1)), limit });
}

/** What is due at `nowMs`. */
export function scanDue(view: CatalogView, index: DueIndex, due: Due): readonly DueEntry[] {
  const range = { from: index, to: index + numberKey(due.nowMs + 1), limit: due.limit };
  return view.range(range).map(({ key }) => ({ entry: key, of: parseDue(key) }));
}

export interface DueEntry {
  /** In the index. */
  readonly entry: Key;
  /** Of the record. */
  readonly of: Key;
}

export interface Due {
  readonly nowMs: number;
  readonly limit: number;
}

export function numberKey(value: number): Key {
  const high = Math.floor(value / 2 ** 32);
  return wordKey(high) + wordKey(value - high * 2 ** 32);
}

function wordKey(word: number): Key {
  return String.fromCharCode(word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff);
}

function after(prefix: Key): Key {
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}

function digestKey(digest: Digest): Key {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("latin1");
}

function textKey(text: string): Key {
  if (VISIBLE_ASCII.test(text)) return text + NUL;
  throw new AppError("internal", `catalog key of ${text.length} characters must be visible ASCII`);
}
