/**
 * Recomputes everything that follows from the records, by saving those that are sound into an empty catalog, and compares. Reads
 * the whole catalog into memory: for tests and for an operator, not for the request path.
 */
import type { Segment } from "../records.ts";
import { copiesOf, inFile } from "../copies.ts";
import { schemaKey, scrubKey, UNLIMITED } from "./keys.ts";
import { type ReadableView, readableView } from "./readable-view.ts";
import { addReference, addWithdrawnReference } from "./rules/references.ts";
import { type SoundRecords, soundRecords } from "./sound-records.ts";
import {
  ended,
  files,
  lowered,
  prefixes,
  segmentAt,
  segments,
  sessions,
  turns,
  withdrawn,
} from "./tables.ts";
import type { CatalogTransaction, CatalogView, Key } from "./transaction.ts";

/** What no record says, and so no difference can show. */
const underived: ReadonlySet<Key> = new Set([schemaKey, scrubKey]);

/** One line for each difference. */
export function audit(view: CatalogView): readonly string[] {
  const readable = readableView(view);
  const found = differences(view, rebuild(soundRecords(readable, 0)));
  return [...found.map(inWords(readable)), ...overlaps(segments.all(readable))];
}

/** Leaves nothing for `audit` to find but ranges that overlap, of which nobody can say who was there first. */
export function repair(tx: CatalogTransaction, nowMs: number): readonly string[] {
  const readable = readableView(tx);
  const wrong = differences(tx, rebuild(soundRecords(readable, nowMs)));
  for (const { key, right } of wrong) {
    if (right === undefined) tx.remove(key);
    else tx.put(key, right);
  }
  return wrong.map(inWords(readable));
}

/** What a repair would leave. */
export function mended(view: CatalogView, nowMs: number): ReadonlyMap<Key, Uint8Array> {
  return rebuild(soundRecords(readableView(view), nowMs));
}

function rebuild(records: SoundRecords): ReadonlyMap<Key, Uint8Array> {
  const state = new Map<Key, Uint8Array>();
  const tx: CatalogTransaction = {
    get: (key) => state.get(key),
    put: (key, value) => void state.set(key, value),
    remove: (key) => void state.delete(key),
    range: () => [],
  };
  for (const file of records.files) {
    const empty = { openReservations: 0, referencedBytes: 0, replicaBytes: 0, committedBytes: 0 };
    files.save(tx, { ...file, ...empty });
  }
  for (const session of records.sessions) sessions.save(tx, { ...session, segments: 0 });
  for (const session of records.ended) ended.save(tx, { ...session, segments: 0 });
  for (const session of records.lowered) lowered.save(tx, session);
  for (const prefix of records.prefixes) prefixes.save(tx, { ...prefix, segments: 0 });
  for (const turn of records.turns) turns.save(tx, turn);
  for (const segment of records.segments) segments.save(tx, { ...segment, refs: 0 });
  for (const segment of records.withdrawn) withdrawn.save(tx, { ...segment, refs: 0 });
  for (const { holder, segment: referred, sinceMs, place } of records.references) {
    const segment = segmentAt(tx, referred.id);
    const added = { nowMs: sinceMs, place: () => place };
    if (segment !== undefined) addReference(tx, holder, { ...added, segment });
    else addWithdrawnReference(tx, holder, { ...added, segment: referred });
  }
  // What ever became durable follows from no record that is left, nor does what an eviction has seen.
  for (const { committedBytes, priorityFloor, ...file } of records.files) {
    files.update(tx, file, (rebuilt) => ({ ...rebuilt, committedBytes, priorityFloor }));
  }
  return state;
}

interface Difference {
  readonly key: Key;
  readonly actual: Uint8Array | undefined;
  readonly right: Uint8Array | undefined;
}

function differences(view: CatalogView, rebuilt: ReadonlyMap<Key, Uint8Array>): Difference[] {
  const entries = view.range({ from: "", to: "\xff", limit: UNLIMITED });
  const actual = new Map(entries.map(({ key, value }) => [key, value]));
  const keys = new Set([...actual.keys(), ...rebuilt.keys()]);
  return [...keys]
    .filter((key) => !underived.has(key))
    .map((key) => ({ key, actual: actual.get(key), right: rebuilt.get(key) }))
    .filter(({ actual: is, right }) => !is || !right || Buffer.compare(is, right) !== 0);
}

/** The key as it is, escaped: its first letter is the table or index, as in `keys.ts`. */
function inWords({ broken }: ReadableView): (difference: Difference) => string {
  return ({ key, actual, right }) => {
    const name = JSON.stringify(key).replaceAll(/[\x7f-\xff]/g, escaped);
    const problem = broken.get(key);
    if (problem !== undefined) return `${name} cannot be read: ${problem}`;
    if (actual === undefined) return `${name} is missing`;
    return right === undefined ? `${name} follows from nothing` : `${name} is not as it follows`;
  };
}

function escaped(character: string): string {
  return `\\u00${character.charCodeAt(0).toString(16)}`;
}

/** Of all copies. */
function overlaps(all: readonly Segment[]): string[] {
  const inFiles = all.flatMap((segment) =>
    copiesOf(segment).flatMap((copy) => inFile(segment, copy) ?? []),
  );
  const byPlace = inFiles.toSorted((a, b) => {
    const [one, other] = [placeOf(a), placeOf(b)];
    return one === other ? a.kvStart - b.kvStart : one < other ? -1 : 1;
  });
  return byPlace.flatMap((segment, index) => {
    const next = byPlace[index + 1];
    if (next === undefined || placeOf(next) !== placeOf(segment)) return [];
    if (segment.kvStart + segment.bytes <= next.kvStart) return [];
    return [`segments ${segment.id} and ${next.id} overlap`];
  });
}

function placeOf({ file }: Segment): string {
  return `${file.location}/${file.name}`;
}
