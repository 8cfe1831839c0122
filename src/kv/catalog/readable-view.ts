/**
 * A catalog without what cannot be read: a record that its codec does not take, that lies under another's key, or that names what
 * cannot be a key. Such a one is as good as lost, and everything else can be judged without it.
 */
import { AppError } from "../../errors.ts";
import { copiesOf } from "../copies.ts";
import { decode, uint } from "./codec.ts";
import {
  countKey,
  ENDED,
  fileKey,
  holderKey,
  LOWERED,
  parseHolder,
  parseReference,
  scan,
  segmentKey,
  sessionKey,
  tenantKey,
  UNLIMITED,
  WITHDRAWN,
} from "./keys.ts";
import {
  ended,
  files,
  lowered,
  places,
  prefixes,
  segments,
  sessions,
  turns,
  withdrawn,
} from "./tables.ts";
import type { CatalogView, Entry, Key } from "./transaction.ts";

export interface ReadableView extends CatalogView {
  /** By key, what is wrong with the record there. */
  readonly broken: ReadonlyMap<Key, string>;
}

/** Reads the whole catalog. */
export function readableView(view: CatalogView): ReadableView {
  const broken = new Map<Key, string>();
  for (const { letter, check } of KINDS) {
    for (const entry of scan(view, letter, UNLIMITED)) {
      const problem = problemOf(entry, check);
      if (problem !== undefined) broken.set(entry.key, problem);
    }
  }
  return {
    broken,
    get: (key) => (broken.has(key) ? undefined : view.get(key)),
    range: (range) => view.range(range).filter(({ key }) => !broken.has(key)),
  };
}

/** Throws, or gives the key that the record belongs under. */
type Check = (entry: Entry) => Key;

/** What the rest of a catalog follows from, by the first letter of its keys. */
const KINDS: readonly { readonly letter: Key; readonly check: Check }[] = [
  { letter: "f", check: checkFile },
  { letter: "n", check: ({ value }) => places.entryOf(value).key },
  { letter: "p", check: ({ value }) => prefixes.entryOf(value).key },
  { letter: "r", check: checkReference },
  { letter: "s", check: ({ value }) => checkSession(sessions, value) },
  { letter: ENDED, check: ({ value }) => checkSession(ended, value) },
  { letter: LOWERED, check: ({ value }) => lowered.entryOf(value).key },
  { letter: "g", check: checkSegment },
  { letter: WITHDRAWN, check: ({ value }) => withdrawn.entryOf(value).key },
  { letter: "t", check: checkTurn },
];

function problemOf(entry: Entry, check: Check): string | undefined {
  try {
    return check(entry) === entry.key ? undefined : "it is the record of another key";
  } catch (reason) {
    return AppError.from(reason).message;
  }
}

function checkFile({ value }: Entry): Key {
  const { key, record } = files.entryOf(value);
  sessionKey({ tenant: record.tenant, id: record.creator });
  return key;
}

function checkReference({ key, value }: Entry): Key {
  decode(uint, value);
  const prefix = `r${holderKey(parseHolder(key.slice(1)))}`;
  segmentKey(parseReference(prefix, key));
  return prefix + key.slice(prefix.length);
}

function checkSession(table: typeof sessions | typeof ended, value: Uint8Array): Key {
  const { key, record } = table.entryOf(value);
  if (record.file !== undefined) fileKey(record.file);
  return key;
}

function checkSegment({ value }: Entry): Key {
  const { key, record } = segments.entryOf(value);
  const { file, retentionClass, state, tenant, bytes, tokenStart, tokenLength } = record;
  const copies = copiesOf(record);
  for (const copy of copies) fileKey(copy);
  tenantKey(tenant);
  countKey({ location: file.location, retentionClass, state });
  const ends = copies.map(({ kvStart }) => kvStart + bytes);
  for (const end of [...ends, tokenStart + tokenLength]) {
    if (!Number.isSafeInteger(end)) throw new AppError("internal", "it ends after 2^53 - 1");
  }
  return key;
}

function checkTurn({ value }: Entry): Key {
  const { key, record } = turns.entryOf(value);
  fileKey(record.file);
  sessionKey(record.session);
  for (const id of record.pending) segmentKey(id);
  return key;
}
