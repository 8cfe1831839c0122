/**
 * What a KV service that was killed has left: its catalog is opened and its files are read by the test itself, and compared with
 * what callers were told. One line for each thing that is not as it must be.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import type { Catalog } from "../../src/kv/catalog.ts";
import { LmdbStore } from "../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../src/kv/catalog/rule-catalog.ts";
import { copiesOf } from "../../src/kv/copies.ts";
import type { ObjectName } from "../../src/kv/location.ts";
import type { Segment, SegmentId, Session, StoredFile } from "../../src/kv/records.ts";
import { engineBytes } from "./kv-engine-bytes.ts";
import type { KvLedger } from "./kv-ledger.ts";
import { type KvService, LAYOUT, LOCATIONS } from "./kv-service.ts";

export interface Expected {
  readonly ledger: KvLedger;
  /** `scarce`: what is neither pinned nor in a prefix may have been evicted, as a file goes: whole, or its last segments first. */
  readonly room: "plenty" | "scarce";
}

export interface Aftermath {
  readonly problems: readonly string[];
  readonly sessions: number;
  /** Listed, each counted once. */
  readonly segments: number;
  readonly files: number;
}

/** The service must not run. */
export async function lookAfterKill(
  service: KvService,
  { ledger, room }: Expected,
): Promise<Aftermath> {
  const { catalogPath: path } = service;
  const catalog = await openCatalog(new LmdbStore({ path, durability: "process" }));
  try {
    const files = await filesOf(service);
    const look = new Look(catalog, { ledger, room }, files);
    await look.sessions();
    await look.prefixes();
    await look.files();
    const problems = [...ledger.problems, ...(await catalog.audit()), ...look.problems];
    return { problems, sessions: look.seen.size, segments: look.read.size, files: files.size };
  } finally {
    await catalog.close();
  }
}

export interface Unswept {
  /** That nothing keeps any more. */
  readonly due: readonly string[];
  /** That nothing would take an hour from now. */
  readonly forever: readonly string[];
}

/** What still lies there when everybody has ended. The service must not run, and will not again. */
export async function lookForUnswept(service: KvService): Promise<Unswept> {
  const { catalogPath: path } = service;
  const found = await filesOf(service);
  const names = [...found.keys()];
  const catalog = await openCatalog(new LmdbStore({ path, durability: "process" }));
  try {
    const nowMs = Date.now();
    const files = await Promise.all(
      [...found].map(async ([name, { location }]) =>
        catalog.file({ location, name: name as ObjectName }),
      ),
    );
    // A copy that was cut short is leased for as long as any copy may take.
    const due = names.filter((_, at) => (files[at]?.leasedUntilMs ?? 0) <= nowMs);
    const late = { nowMs: nowMs + 3_600_000, limit: 100_000, quarantineMs: 2_000 };
    const { unlinkable } = await catalog.sweep(late);
    const taken = new Set<string>(unlinkable.map(({ name }) => name));
    return { due, forever: names.filter((name) => !taken.has(name)) };
  } finally {
    await catalog.close();
  }
}

class Look {
  readonly #catalog: Catalog;
  readonly #ledger: KvLedger;
  readonly #room: Expected["room"];
  readonly #files: ReadonlyMap<string, FoundFile>;
  readonly problems: string[] = [];
  readonly seen = new Set<string>();
  /** Segments whose bytes were compared. */
  readonly read = new Set<string>();

  constructor(catalog: Catalog, { ledger, room }: Expected, files: ReadonlyMap<string, FoundFile>) {
    this.#catalog = catalog;
    this.#ledger = ledger;
    this.#room = room;
    this.#files = files;
  }

  async sessions(): Promise<void> {
    for (const tenant of ["", "acme"]) {
      const page = { tenant, after: undefined, limit: 100_000 };
      for (const session of await this.#catalog.sessions(page)) await this.#session(session);
    }
    for (const { id, fate } of this.#ledger.sessions.values()) {
      if (fate === "lives" && !this.seen.has(id)) this.problems.push(`session ${id} is lost`);
      if (fate === "ended" && this.seen.has(id)) this.problems.push(`session ${id} has come back`);
    }
  }

  async prefixes(): Promise<void> {
    for (const { tenant, name, segments, fate } of this.#ledger.prefixes.values()) {
      const prefix = await this.#catalog.prefix({ tenant, name });
      if (fate === "ended" && prefix !== undefined) this.problems.push(`${name} has come back`);
      if (fate !== "lives") continue;
      const listed = await this.#catalog.prefixSegments({ tenant, name });
      for (const segment of listed) await this.#segment(segment, `prefix ${name}`);
      if (listed.length !== segments)
        this.problems.push(`prefix ${name} lists ${listed.length} of ${segments}`);
    }
  }

  /** A file that the catalog does not know would never be swept. */
  async files(): Promise<void> {
    for (const [name, { location }] of this.#files) {
      const file = await this.#catalog.file({ location, name: name as ObjectName });
      if (file === undefined) this.problems.push(`file ${name} is nobody's`);
    }
    const booked = await this.#catalog.files({ after: undefined, limit: 100_000 });
    this.#ledger.copiesCutShort += booked.filter(isCutShort).length;
  }

  async #session({ tenant, id }: Session): Promise<void> {
    this.seen.add(id);
    const segments = await this.#catalog.segments({ tenant, id });
    for (const segment of segments) await this.#segment(segment, `session ${id} of "${tenant}"`);
    const known = this.#ledger.sessions.get(id);
    if (known?.fate !== "lives") return;
    const listed = new Set<string>(segments.map((segment) => segment.id));
    for (const segment of new Set([...known.listed, ...known.pinned])) {
      if (listed.has(segment)) continue;
      const isPinned = known.pinned.has(segment);
      if (isPinned || !(await this.#isEvicted(segment))) {
        this.problems.push(`session ${id} has lost ${segment}${isPinned ? ", pinned" : ""}`);
      }
    }
  }

  /** It is nobody's, and nothing that ends later is left in its file, which takes no more. */
  async #isEvicted(id: string): Promise<boolean> {
    const { evicted } = this.#ledger;
    const place = this.#ledger.placeOf(id);
    if (evicted.has(id)) return true;
    if (this.#room === "plenty" || place === undefined) return false;
    if ((await this.#catalog.segment(id as SegmentId)) !== undefined) return false;
    const ref = { location: place.location, name: place.file as ObjectName };
    const file = await this.#catalog.file(ref);
    if (file?.isSealed === false) return false;
    const left = file === undefined ? [] : await this.#catalog.segmentsIn(ref, 100_000);
    const ends = left.map(({ tokenStart, tokenLength }) => tokenStart + tokenLength);
    if (Math.max(0, ...ends) > place.tokenEnd) return false;
    evicted.add(id);
    return true;
  }

  async #segment(segment: Segment, holder: string): Promise<void> {
    const { id, state, tenant } = segment;
    const turn = this.#ledger.turnOf(id);
    const problem = (text: string) => this.problems.push(`${holder} lists ${id}: ${text}`);
    if (state !== "durable") problem(`it is ${state}`);
    if (turn === undefined) return void problem("nobody was told of its turn");
    if (turn.tenant !== tenant) problem(`it is of "${turn.tenant}"`);
    if (this.read.has(id)) return;
    this.read.add(id);
    const tokenEnd = segment.tokenStart + segment.tokenLength;
    const { location, name } = segment.file;
    this.#ledger.seen(id, { location, file: name, tokenEnd });
    if (segment.replicas.length > 0) this.#ledger.copied.add(id);
    const span = { start: segment.tokenStart, length: segment.tokenLength };
    const expected = engineBytes(LAYOUT, [...turn.prompt, ...turn.output], span);
    for (const copy of copiesOf(segment)) {
      const found = this.#files.get(copy.name);
      if (found?.location !== copy.location) {
        problem(`its file at ${copy.location} is gone`);
        continue;
      }
      const file = await readFile(found.path);
      const bytes = file.subarray(copy.kvStart, copy.kvStart + segment.bytes);
      if (!bytes.equals(expected)) problem(`its bytes at ${copy.location} are not of its tokens`);
    }
  }
}

interface FoundFile {
  readonly location: string;
  readonly path: string;
}

/** By name, of which no two are alike. */
async function filesOf({ folder }: KvService): Promise<Map<string, FoundFile>> {
  const found = new Map<string, FoundFile>();
  for (const location of LOCATIONS) {
    for (const [name, path] of await filesIn(join(folder, location))) {
      found.set(name, { location, path });
    }
  }
  return found;
}

/** It was booked for a copy, and nothing came of that. */
function isCutShort({ committedBytes, leasedUntilMs, stat }: StoredFile): boolean {
  return committedBytes === 0 && leasedUntilMs > 0 && stat === undefined;
}

/** Paths by name. */
async function filesIn(root: string): Promise<Map<string, string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith("."));
  return new Map(files.map((entry) => [entry.name, join(entry.parentPath, entry.name)]));
}
