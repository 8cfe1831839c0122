/**
 * The keys of the catalog. One letter names the table or index; texts end with NUL, which none of them contains; numbers are 8
 * bytes, high ones first; so the order of keys is the order of what they are made of.
 */
import { AppError } from "../../errors.ts";
import type { Digest } from "../digest.ts";
import type { FileRef, Segment, SegmentId, SessionKey, TurnId } from "../records.ts";
import type { CatalogView, Entry, Key } from "./transaction.ts";

const NUL = "\0";
const VISIBLE_ASCII = /^[\x21-\x7e]{0,256}$/;

/** For what has its own bound, such as everything that belongs to one session. */
export const UNLIMITED = 0x7fff_ffff;

export const schemaKey: Key = "v";
export const sessionKey = ({ tenant, id }: SessionKey): Key => `s${textKey(tenant)}${textKey(id)}`;
export const segmentKey = (id: SegmentId): Key => `g${textKey(id)}`;
export const turnKey = (id: TurnId): Key => `t${textKey(id)}`;
export const fileKey = (ref: FileRef): Key => `f${textKey(ref.location)}${textKey(ref.name)}`;
export const tenantKey = (tenant: string): Key => `u${textKey(tenant)}`;
export const locationKey = (location: string): Key => `l${textKey(location)}`;
export const chainKey = (digest: Digest): Key => `c${Buffer.from(digest).toString("latin1")}`;

/** What a session lists, by token start. */
export const referencesPrefix = (session: SessionKey): Key => `r${sessionKey(session)}`;
export const referenceKey = (session: SessionKey, { tokenStart, id }: Segment): Key =>
  `${referencesPrefix(session)}${numberKey(tokenStart)}${id}`;

/** Who lists a segment. */
export const referrersPrefix = (id: SegmentId): Key => `b${textKey(id)}`;
export const referrerKey = (session: SessionKey, { id }: Segment): Key =>
  `${referrersPrefix(id)}${sessionKey(session)}`;

/** What falls due, soonest first. */
export type DueIndex = "e" | "d" | "q";
export const dueKey = (index: DueIndex, atMs: number, of: Key): Key => index + numberKey(atMs) + of;

const NUMBER_CHARACTERS = 8;

/** The session keys after a prefix, undone. */
export function parseSessionKey(key: Key): SessionKey {
  const [tenant = "", id = ""] = key.slice(1).split(NUL);
  return { tenant, id };
}

/** The segment of a reference key. */
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

/** The records that are due at `nowMs`, by their keys. */
export function scanDue(view: CatalogView, index: DueIndex, due: Due): readonly Key[] {
  const range = { from: index, to: index + numberKey(due.nowMs + 1), limit: due.limit };
  return view.range(range).map(({ key }) => parseDue(key));
}

export interface Due {
  readonly nowMs: number;
  readonly limit: number;
}

export function numberKey(value: number): Key {
  const bytes = Buffer.alloc(NUMBER_CHARACTERS);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes.toString("latin1");
}

function after(prefix: Key): Key {
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}

function textKey(text: string): Key {
  if (VISIBLE_ASCII.test(text)) return text + NUL;
  throw new AppError("internal", `catalog key of ${text.length} characters must be visible ASCII`);
}
