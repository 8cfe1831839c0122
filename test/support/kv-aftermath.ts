/**
 * What a KV service that was killed has left: its catalog is opened and its files are read by the test itself, and compared with
 * what callers were told. One line for each thing that is not as it must be.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import type { Catalog } from "../../src/kv/catalog.ts";
import { LmdbStore } from "../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../src/kv/catalog/rule-catalog.ts";
import type { ObjectName } from "../../src/kv/location.ts";
import type { Segment, SegmentId, Session } from "../../src/kv/records.ts";
import { engineBytes } from "./kv-engine-bytes.ts";
import type { KvLedger } from "./kv-ledger.ts";
import { type KvService, LAYOUT } from "./kv-service.ts";

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
    const files = await filesIn(join(service.folder, "disk"));
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
  const names = [...(await filesIn(join(service.folder, "disk"))).keys()];
  const catalog = await openCatalog(new LmdbStore({ path, durability: "process" }));
  try {
    const nowMs = Date.now();
    const files = await Promise.all(
      names.map(async (name) => catalog.file({ location: "disk", name: name as ObjectName })),
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
  readonly #files: ReadonlyMap<string, string>;
  readonly problems: string[] = [];
  readonly seen = new Set<string>();
  /** Segments whose bytes were compared. */
  readonly read = new Set<string>();

  constructor(catalog: Catalog, { ledger, room }: Expected, files: ReadonlyMap<string, string>) {
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
    for (const name of this.#files.keys()) {
      const file = await this.#catalog.file({ location: "disk", name: name as ObjectName });
      if (file === undefined) this.problems.push(`file ${name} is nobody's`);
    }
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
    const ref = { location: "disk", name: place.file as ObjectName };
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
    this.#ledger.seen(id, { file: segment.file.name, tokenEnd });
    const path = this.#files.get(segment.file.name);
    if (path === undefined) return void problem("its file is gone");
    const span = { start: segment.tokenStart, length: segment.tokenLength };
    const expected = engineBytes(LAYOUT, [...turn.prompt, ...turn.output], span);
    const file = await readFile(path);
    const bytes = file.subarray(segment.kvStart, segment.kvStart + segment.bytes);
    if (!bytes.equals(expected)) problem("its bytes are not those of its tokens");
  }
}

/** Paths by name. */
async function filesIn(root: string): Promise<Map<string, string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith("."));
  return new Map(files.map((entry) => [entry.name, join(entry.parentPath, entry.name)]));
}
