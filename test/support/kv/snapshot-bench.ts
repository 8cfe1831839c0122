/** A desk of snapshots over a real catalog and real directories, with a server that saves into their staging folders, and time in the test's hand. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createDigests } from "../../../src/digests.ts";
import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import type { Catalog } from "../../../src/kv/catalog.ts";
import { NamespaceKeys } from "../../../src/kv/chain/namespace-keys.ts";
import type { ChainContext } from "../../../src/kv/chain/chain-format.ts";
import type { Quota } from "../../../src/kv/holders.ts";
import type { FileSystem } from "../../../src/kv/locations/directory-folder.ts";
import type { DirectoryLocation } from "../../../src/kv/locations/directory.ts";
import type { GeometryKey } from "../../../src/kv/model/geometry-key.ts";
import type { Site } from "../../../src/kv/reach.ts";
import type { Hold } from "../../../src/kv/readahead/gate.ts";
import type { Retention, Segment } from "../../../src/kv/records.ts";
import type {
  FoundSnapshot,
  KeepOutcome,
  KeepRequest,
} from "../../../src/kv/snapshots/snapshot-desk.ts";
import type { SnapshotPrompt } from "../../../src/kv/snapshots/snapshot-prompt.ts";
import { StoredSnapshots } from "../../../src/kv/snapshots/stored-snapshots.ts";
import type { Pressure } from "../../../src/kv/space.ts";
import type { StagedName } from "../../../src/kv/staging.ts";
import { Models } from "../../../src/kv/turns/models.ts";
import { Places } from "../../../src/kv/turns/places.ts";
import { openFolders } from "../bench-folder.ts";
import { openReadahead, READAHEAD } from "../bench-readahead.ts";
import { patterned } from "../bytes.ts";
import { FakeClock } from "../fake-clock.ts";
import { PLENTY, RETENTION } from "../kv-desk.ts";
import { session } from "../turn-bench.ts";

export const GEOMETRY: GeometryKey = new Uint8Array(33).fill(7) as GeometryKey;
/** What the server writes of each token. */
const TOKEN_BYTES = 1_000;

export interface SnapshotBenchOptions {
  /** Disks, each in a folder of its own; default one with the id `a`. */
  readonly sites?: readonly string[];
  /** Of each of them; a TiB by default. */
  readonly diskBytes?: number;
  readonly headroomBytes?: number;
  readonly minTokens?: number;
  readonly quota?: Quota;
  readonly fs?: FileSystem;
  /** Default a folder of its own, that goes with the bench. */
  readonly root?: string;
  /** Default one in memory. */
  readonly catalog?: Catalog;
  /** Default a counter. */
  readonly newName?: () => string;
  /** What the desk gets in place of the catalog. */
  readonly around?: (catalog: Catalog) => Catalog;
}

export interface SaveOptions extends Partial<KeepRequest> {
  readonly at?: string;
  readonly context?: ChainContext;
}

export class SnapshotBench {
  readonly clock: FakeClock;
  readonly catalog: Catalog;
  readonly root: string;
  readonly desk: StoredSnapshots;
  readonly pressures: Pressure[] = [];
  readonly stored: string[] = [];
  readonly reads: Segment[] = [];
  readonly seen: string[] = [];
  readonly #locations: readonly DirectoryLocation[];
  readonly #readahead: { close(): Promise<void> };

  static async open(options: SnapshotBenchOptions = {}): Promise<SnapshotBench> {
    const root = options.root ?? (await mkdtemp(join(tmpdir(), "moorline-snapshots-")));
    const { sites = ["a"], diskBytes = 2 ** 40, fs } = options;
    const folders = { sites: sites.map(siteOf), diskBytes, fileNames: "random" } as const;
    const locations = await openFolders({ ...folders, ...(fs && { fs }) }, root);
    const catalog = options.catalog ?? (await openCatalog(new MemoryStore()));
    return new SnapshotBench({ ...options, root, locations, catalog });
  }

  private constructor(
    options: SnapshotBenchOptions & {
      readonly root: string;
      readonly locations: readonly DirectoryLocation[];
      readonly catalog: Catalog;
    },
  ) {
    const { root, locations, catalog: inner, quota = PLENTY, headroomBytes = 0 } = options;
    this.clock = new FakeClock();
    this.catalog = inner;
    this.root = root;
    this.#locations = locations;
    const catalog = options.around?.(inner) ?? inner;
    let names = 0;
    const { newName = () => `n${++names}` } = options;
    const digests = createDigests();
    const keys = new NamespaceKeys(Buffer.from("a secret of the bench"), digests);
    const places = new Places({
      places: locations.map((location) => ({
        ...siteOf(location.profile.id),
        location,
        fileNames: "random",
        headroomBytes,
      })),
      tiers: ["memory", "disk", "remote"],
      random: () => 0.5,
      newName,
    });
    const shared = {
      catalog,
      keys,
      digests,
      tenants: {
        tenant: (name: string) =>
          name === "nobody" ? undefined : { key: keys.tenant(name), quota, trusts: ["", "t"] },
      },
      models: new Models({ profile: () => undefined }, digests),
      nowMs: () => this.clock.now(),
      scheduler: this.clock,
    };
    const pressed = (pressure: Pressure) => void this.pressures.push(pressure);
    const { readahead, gate } = openReadahead({
      ...shared,
      places,
      locations,
      newName,
      limits: READAHEAD,
      pressed,
      tell: (line) => this.seen.push(line),
    });
    this.#readahead = readahead;
    this.desk = new StoredSnapshots({
      ...shared,
      places,
      gate,
      hurried: (work) => work(),
      newName,
      read: (segments) => this.reads.push(...segments),
      stored: (segment) => this.stored.push(segment),
      pressed,
      minTokens: options.minTokens ?? 0,
    });
  }

  location(id = "a"): DirectoryLocation {
    const location = this.#locations.find(({ profile }) => profile.id === id);
    if (location === undefined) throw new Error(`there is no location ${id}`);
    return location;
  }

  async create(name: string, changes: Partial<Retention> = {}): Promise<void> {
    const retention = { ...RETENTION, ttlMs: 3_600_000, maxAgeMs: 86_400_000, ...changes };
    const nowMs = this.clock.now();
    const quota = PLENTY;
    await this.catalog.create({ session: session(name), model: "m", retention, quota, nowMs });
  }

  admits(name: string, text: string): Promise<boolean> {
    const prompt = promptOf(text);
    const promptTokens = text.length;
    return this.desk.admits({ session: session(name), prompt, geometry: GEOMETRY, promptTokens });
  }

  /** As a server does it, under a fresh name, with some bytes for each token. */
  async write(tokens: number, at = "a"): Promise<StagedName> {
    const name = this.desk.newStagedName();
    await writeFile(join(this.location(at).staging.path, name), this.bytesOf(tokens));
    return name;
  }

  bytesOf(tokens: number): Uint8Array {
    return patterned(tokens * TOKEN_BYTES, tokens % 200);
  }

  async keep(name: string, text: string, changes: SaveOptions = {}): Promise<KeepOutcome> {
    const { at = "a", context = {}, ...others } = changes;
    const tokens = others.tokens ?? text.length;
    const saved = others.name ?? (await this.write(tokens, at));
    return this.desk.keep({
      session: session(name),
      prompt: promptOf(text, context),
      geometry: GEOMETRY,
      location: at,
      name: saved,
      tokens,
      bytes: tokens * TOKEN_BYTES,
      ...others,
    });
  }

  /** For a test that counts on it. */
  async kept(name: string, text: string, changes: SaveOptions = {}): Promise<Segment> {
    const outcome = await this.keep(name, text, changes);
    if (outcome.kind === "kept") return outcome.segment;
    throw new Error(`not kept: ${outcome.reason}`);
  }

  find(
    name: string,
    text: string,
    changes: { readonly at?: string; readonly hold?: Hold; readonly context?: ChainContext } = {},
  ) {
    const { at: location = "a", hold, context = {} } = changes;
    const prompt = promptOf(text, context);
    return this.desk.find({ session: session(name), prompt, geometry: GEOMETRY, location, hold });
  }

  /** For a test that counts on it. */
  async found(...request: Parameters<SnapshotBench["find"]>): Promise<FoundSnapshot> {
    const found = await this.find(...request);
    if (typeof found === "object") return found;
    throw new Error(`not found: ${found}`);
  }

  /** As a server restores it. */
  async restore(found: FoundSnapshot, at = "a"): Promise<Buffer> {
    const name = await this.desk.stage(found, at);
    const bytes = await readFile(join(this.location(at).staging.path, name));
    await this.desk.unstage(at, name as StagedName);
    return bytes;
  }

  staged(at = "a"): Promise<string[]> {
    return readdir(this.location(at).staging.path);
  }

  pathOf({ file }: Segment): string {
    const uri = this.location(file.location).uri(file.name);
    return join(this.root, uri.slice("file:///".length));
  }

  async objects(at = "a"): Promise<readonly string[]> {
    const page = await this.location(at).list(undefined, 1_000);
    if (page instanceof Error) throw page;
    return page.objects.map(({ name }) => name);
  }

  /** What the catalog's audit found. */
  async close(): Promise<readonly string[]> {
    await this.desk.close();
    await this.#readahead.close();
    const faults = await this.catalog.audit();
    await this.catalog.close();
    for (const location of this.#locations) await location.close();
    await rm(this.root, { recursive: true });
    return faults;
  }
}

export function promptOf(text: string, context: ChainContext = {}): SnapshotPrompt {
  return { context, bytes: new TextEncoder().encode(text) };
}

function siteOf(id: string): Site {
  return { id, labels: {}, engines: true };
}
