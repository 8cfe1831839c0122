/**
 * Recomputes everything that follows from the records, by saving the records again into an empty catalog, and compares. What no
 * sum shows is checked beside it. Reads the whole catalog into memory: for tests and for an operator, not for the request path.
 */
import { namespaceOf, type Segment, type Session, type StoredFile } from "../records.ts";
import { decode, uint } from "./codec.ts";
import {
  holderKey,
  parseHolder,
  parseReference,
  scan,
  schemaKey,
  scrubKey,
  UNLIMITED,
} from "./keys.ts";
import { addReference, isListedBy } from "./rules/references.ts";
import { files, places, prefixes, segmentAt, segments, sessions, turnAt, turns } from "./tables.ts";
import type { CatalogTransaction, CatalogView, Key } from "./transaction.ts";

/** One line for each difference. */
export function audit(view: CatalogView): readonly string[] {
  return [
    ...differences(view, rebuild(view)),
    ...sessions.all(view).flatMap((session) => sessionFaults(view, session)),
    ...segments.all(view).flatMap((segment) => segmentFaults(view, segment)),
    ...files.all(view).flatMap((file) => fileFaults(view, file)),
    ...turns.all(view).flatMap(({ id, pending, session }) => {
      const isKnown = sessions.get(view, session)?.turns.includes(id) === true;
      const isWhole = pending.every((part) => segmentAt(view, part)?.turn === id);
      return isKnown && isWhole && pending.length > 0 ? [] : [`turn ${id} is not its session's`];
    }),
    ...overlaps(segments.all(view)),
  ];
}

/** Writes every count and index as the records have it. What is wrong with a record itself stays, and is named by `audit`. */
export function repair(tx: CatalogTransaction): readonly string[] {
  const rebuilt = rebuild(tx);
  const lines = differences(tx, rebuilt);
  for (const { key } of tx.range({ from: "", to: "\xff", limit: UNLIMITED })) {
    if (!rebuilt.has(key) && !underived.has(key)) tx.remove(key);
  }
  for (const [key, value] of rebuilt) {
    const known = tx.get(key);
    if (known === undefined || Buffer.compare(known, value) !== 0) tx.put(key, value);
  }
  return lines;
}

function rebuild(view: CatalogView): ReadonlyMap<Key, Uint8Array> {
  const state = new Map<Key, Uint8Array>();
  const tx: CatalogTransaction = {
    get: (key) => state.get(key),
    put: (key, value) => void state.set(key, value),
    remove: (key) => void state.delete(key),
    range: () => [],
  };
  const known = files.all(view);
  for (const file of known) {
    files.save(tx, { ...file, openReservations: 0, referencedBytes: 0, committedBytes: 0 });
  }
  for (const session of sessions.all(view)) sessions.save(tx, { ...session, segments: 0 });
  for (const prefix of prefixes.all(view)) prefixes.save(tx, { ...prefix, segments: 0 });
  for (const turn of turns.all(view)) if (files.get(tx, turn.file)) turns.save(tx, turn);
  for (const segment of segments.all(view)) {
    if (files.get(tx, segment.file)) segments.save(tx, { ...segment, refs: 0 });
  }
  restoreReferences(view, tx);
  // What ever became durable follows from no record that is left.
  for (const { committedBytes, ...file } of known) {
    files.update(tx, file, (rebuilt) => ({ ...rebuilt, committedBytes }));
  }
  return state;
}

/** What no record says, and so no difference can show. */
const underived: ReadonlySet<Key> = new Set([schemaKey, scrubKey]);

function restoreReferences(view: CatalogView, tx: CatalogTransaction): void {
  for (const { key, value } of scan(view, "r", UNLIMITED)) {
    const holder = parseHolder(key.slice(1));
    const isThere = tx.get(holderKey(holder)) !== undefined;
    const prefix = key.slice(0, 1 + holderKey(holder).length);
    const segment = segmentAt(tx, parseReference(prefix, key));
    if (!isThere || segment === undefined) continue;
    // A key under a secret, which nothing here can compute again.
    const known = places.get(view, { segment: segment.id, namespace: namespaceOf(holder) });
    if (known === undefined) continue;
    addReference(tx, holder, { segment, nowMs: decode(uint, value), place: () => known.place });
  }
}

function differences(view: CatalogView, rebuilt: ReadonlyMap<Key, Uint8Array>): string[] {
  const actual = view.range({ from: "", to: "\xff", limit: UNLIMITED });
  const keys = new Set(actual.map(({ key }) => key));
  const wrong = actual.filter(({ key, value }) => {
    const right = rebuilt.get(key);
    return !underived.has(key) && (right === undefined || Buffer.compare(right, value) !== 0);
  });
  const missing = [...rebuilt.keys()].filter((key) => !keys.has(key));
  return [
    ...wrong.map(({ key }) => `${printable(key)} is not what follows from the records`),
    ...missing.map((key) => `${printable(key)} is missing`),
  ];
}

function sessionFaults(view: CatalogView, session: Session): string[] {
  const { id, file: ref, leasedBy } = session;
  const faults: string[] = [];
  const file = ref && files.get(view, ref);
  if (ref !== undefined && (file === undefined || file.isSealed || file.creator !== id)) {
    faults.push(`session ${id} writes to ${ref.name}, which is not its own to write to`);
  }
  if (leasedBy !== undefined && !session.turns.includes(leasedBy)) {
    faults.push(`session ${id} is leased by ${leasedBy}, which is none of its turns`);
  }
  const lost = session.turns.filter((turn) => turnAt(view, turn) === undefined);
  return [...faults, ...lost.map((turn) => `session ${id} has lost turn ${turn}`)];
}

function segmentFaults(view: CatalogView, segment: Segment): string[] {
  const { id, state, refs } = segment;
  const isPending = turnAt(view, segment.turn)?.pending.includes(id) === true;
  const isSound = state === "durable" ? refs > 0 && !isPending : refs === 0 && isPending;
  if (!isSound) return [`segment ${id} is ${state} with ${refs} references`];
  if (state !== "durable" || isListedBy(view, id, segment.tenant)) return [];
  return [`segment ${id} is charged to ${segment.tenant}, which does not list it`];
}

function fileFaults(view: CatalogView, file: StoredFile): string[] {
  const { name, tenant, creator, isSealed, location } = file;
  if (file.committedBytes < file.referencedBytes || file.highWaterBytes < file.committedBytes) {
    return [`file ${name} has more bytes referenced than committed, or committed than reserved`];
  }
  if (isSealed) return [];
  const current = sessions.get(view, { tenant, id: creator })?.file;
  if (current?.name === name && current.location === location) return [];
  return [`file ${name} is open, and its session does not write to it`];
}

function overlaps(all: readonly Segment[]): string[] {
  const byPlace = all.toSorted((a, b) => {
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

function printable(key: Key): string {
  return JSON.stringify(key);
}
