/**
 * A turn desk over a real catalog and a real directory, with an engine that writes into its files, and time in the test's hand.
 * Tokens are the character codes of short strings.
 */
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";

import { createDigests } from "../../src/digests.ts";
import type { Catalog, SettleOutcome } from "../../src/kv/catalog.ts";
import type { CopyChoice } from "../../src/kv/copies.ts";
import type { Quota, Reader } from "../../src/kv/holders.ts";
import { NamespaceKeys } from "../../src/kv/chain/namespace-keys.ts";
import type { DirectoryLocation } from "../../src/kv/locations/directory.ts";
import type { Tier } from "../../src/kv/location.ts";
import type { FileSystem } from "../../src/kv/locations/directory-folder.ts";
import { layoutOf } from "../../src/kv/model/layout.ts";
import type { ModelProfile } from "../../src/kv/model/profile.ts";
import type { Site } from "../../src/kv/reach.ts";
import type { Readahead } from "../../src/kv/readahead/readahead.ts";
import type {
  EngineInstance,
  Segment,
  SegmentId,
  SessionKey,
  TurnId,
} from "../../src/kv/records.ts";
import { Models } from "../../src/kv/turns/models.ts";
import { Places } from "../../src/kv/turns/places.ts";
import type { Prefetcher } from "../../src/kv/turns/prefetcher.ts";
import { SessionDesk } from "../../src/kv/turns/session-desk.ts";
import type { TokenSequence } from "../../src/kv/turns/token-sequence.ts";
import type { Pressure } from "../../src/kv/space.ts";
import { TurnDesk, type TurnPolicy } from "../../src/kv/turns/turn-desk.ts";
import type {
  CommitOutcome,
  CommitRequest,
  PlannedSegment,
  PlanRequest,
  TurnObserver,
  TurnPlan,
} from "../../src/kv/turns/turn-plan.ts";
import { SegmentChecker } from "../../src/kv/verify/segment-checker.ts";
import type { SegmentVerifier } from "../../src/kv/verify/segment-verifier.ts";
import { openFolders } from "./bench-folder.ts";
import { type BenchReadaheadLimits, openReadahead, READAHEAD } from "./bench-readahead.ts";
import { FakeClock } from "./fake-clock.ts";
import { PLENTY, RETENTION } from "./kv-desk.ts";
import { ReadingVerifier } from "./reading-verifier.ts";
import { SMALL } from "./small-model.ts";

const TENANTS = ["", "t", "u", "v", "red", "blue"];

export const POLICY: TurnPolicy = {
  turnMs: 60_000,
  settleMs: 30_000,
  reservationTokens: 65_536,
  cutAtPrompt: false,
  minTokens: 0,
  whenBusy: "wait",
  waitMs: 5_000,
  waitingLimit: 100,
  settlingLimit: 100,
  recheck: "changed",
};

export interface BenchOptions {
  readonly catalog: Catalog;
  readonly profile?: ModelProfile;
  readonly policy?: Partial<TurnPolicy>;
  readonly readahead?: Partial<BenchReadaheadLimits>;
  readonly quota?: Quota;
  readonly fileNames?: "random" | "session";
  /** Default 0. */
  readonly headroomBytes?: number;
  /** Of the disk; a TiB by default. */
  readonly diskBytes?: number;
  /** Default Node's own. */
  readonly fs?: FileSystem;
  /** Of a memory tier before the disk; none by default. */
  readonly memoryBytes?: number;
  /** In place of the disk: one each, in a folder of its own; disks unless they say otherwise. */
  readonly sites?: readonly (Site & { readonly tier?: Tier; readonly capacityBytes?: number })[];
  /** Default one that finds whole what it can read. */
  readonly verifier?: (clock: FakeClock) => SegmentVerifier;
  /** In place of `seen`. */
  readonly observer?: TurnObserver;
}

export class TurnBench {
  desk: TurnDesk;
  /** The desk's. */
  declare readahead: Readahead;
  declare prefetcher: Prefetcher;
  /** The desk's. */
  checker: SegmentChecker;
  /** May change, as when an engine gets new weights. */
  profile: ModelProfile;
  readonly sessions: SessionDesk;
  readonly catalog: Catalog;
  readonly locations: readonly DirectoryLocation[];
  /** Of the locations; may change, as at a restart. */
  sites: readonly Site[];
  readonly root: string;
  readonly clock = new FakeClock();
  /** Of locations, by their ids: of copies in one tier, that in the least loaded is read. */
  readonly loads = new Map<string, number>();
  readonly copies: CopyChoice = {
    tierOf: (id) => this.#configured.find(({ profile }) => profile.id === id)?.profile.tier,
    load: (id) => this.loadOf(id),
  };
  loadOf: CopyChoice["load"] = (id) => this.loads.get(id) ?? 0;
  /** Engines of whom nobody reports any more. */
  isLost: (engine: EngineInstance) => boolean = () => false;
  /** What turns are told to read. */
  onRead: (segments: readonly Segment[]) => void = () => {};
  /** The desk's. */
  declare places: Places;
  #configured: readonly DirectoryLocation[] = [];
  /** By how much the wall clock has jumped. */
  wallJumpMs = 0;
  readonly verifier = new ReadingVerifier();
  readonly seen: string[] = [];
  /** Of each turn of which any is listed, the last one. */
  readonly stored: SegmentId[] = [];
  /** Of each tenant; one that is not here trusts all tenants of the tests. */
  readonly trusts = new Map<string, Reader["trusts"]>();
  readonly pressures: Pressure[] = [];
  readonly #tokenBytes: number;
  readonly #newDesk: (locations: readonly DirectoryLocation[]) => TurnDesk;
  readonly #newChecker: () => SegmentChecker;

  static async open(options: BenchOptions): Promise<TurnBench> {
    const root = await mkdtemp(join(tmpdir(), "moorline-turns-"));
    return new TurnBench(options, root, await openFolders(options, root));
  }

  constructor(options: BenchOptions, root: string, directories: readonly DirectoryLocation[]) {
    const { catalog, profile = SMALL, quota = PLENTY, fileNames = "session" } = options;
    const { headroomBytes = 0 } = options;
    this.profile = profile;
    this.catalog = catalog;
    this.root = root;
    this.locations = directories;
    this.sites = directories.map(({ profile: { id } }) => {
      return options.sites?.find((site) => site.id === id) ?? { id, labels: {}, engines: true };
    });
    this.#tokenBytes = layoutOf(profile).bytesPerToken;
    let names = 0;
    let turns = 0;
    const digests = createDigests();
    const keys = new NamespaceKeys(Buffer.from("a secret of the bench"), digests);
    const shared = {
      catalog,
      keys,
      digests,
      tenants: {
        tenant: (name: string) => ({
          key: keys.tenant(name),
          quota,
          trusts: this.reader(name).trusts,
        }),
      },
      models: new Models(
        {
          profile: (model) => (model === profile.id ? this.profile : undefined),
          hasSnapshots: (model) => model === "slots",
        },
        digests,
      ),
      nowMs: () => this.clock.now() + this.wallJumpMs,
      scheduler: this.clock,
    };
    this.sessions = new SessionDesk({
      ...shared,
      quotaRefused: (quota) => this.seen.push(`quota refused ${quota}`),
    });
    const verifier = options.verifier?.(this.clock) ?? this.verifier;
    this.#newChecker = () => new SegmentChecker({ catalog, verifier });
    this.checker = this.#newChecker();
    this.#newDesk = (configured) => {
      this.#configured = configured;
      const places = new Places({
        places: this.sites.flatMap(({ id, ...who }) => {
          const location = configured.find(({ profile }) => profile.id === id);
          return location === undefined ? [] : [{ location, fileNames, headroomBytes, ...who }];
        }),
        tiers: ["memory", "disk", "remote"],
        random: () => 0.5,
        newName: () => `e${++names}`,
      });
      const ahead = openReadahead({
        ...shared,
        places,
        locations: configured,
        newName: () => `copy${++names}`,
        limits: { ...READAHEAD, ...options.readahead },
        pressed: (pressure) => this.pressures.push(pressure),
        tell: (line) => this.seen.push(line),
      });
      this.places = places;
      this.readahead = ahead.readahead;
      this.prefetcher = ahead.prefetcher;
      return new TurnDesk({
        ...shared,
        places,
        gate: ahead.gate,
        hurried: (work) => work(),
        verifier,
        checker: this.checker,
        copies: this.copies,
        newTurn: () => `turn${++turns}`,
        newName: () => `cut${++names}`,
        crc32,
        policy: { ...POLICY, ...options.policy },
        isLost: (engine) => this.isLost(engine),
        read: (segments) => this.onRead(segments),
        pressed: (pressure) => this.pressures.push(pressure),
        observer: options.observer ?? {
          planned: ({ limit }) => this.seen.push(`planned ${limit}`),
          committed: ({ kind }) => this.seen.push(`committed ${kind}`),
          aborted: (reason) => this.seen.push(`aborted ${reason}`),
          settled: (_, { kind }: SettleOutcome) => this.seen.push(`settled ${kind}`),
          stored: ({ id }) => this.stored.push(id),
          unverified: (_, cause) => this.seen.push(`unverified ${String(cause)}`),
        },
      });
    };
    this.desk = this.#newDesk(directories);
  }

  reader(tenant: string): Reader {
    return { tenant, trusts: this.trusts.get(tenant) ?? TENANTS };
  }

  location(id: string): DirectoryLocation | undefined {
    return this.locations.find(({ profile }) => profile.id === id);
  }

  /** What a process that starts now has: the catalog and the files, and nothing else. `without`: of the locations. */
  restart(without?: Tier): void {
    this.checker = this.#newChecker();
    this.desk = this.#newDesk(this.locations.filter(({ profile }) => profile.id !== without));
  }

  async close(): Promise<readonly string[]> {
    await this.desk.close();
    await this.readahead.close();
    const faults = await this.catalog.audit();
    await this.catalog.close();
    for (const directory of this.locations) await directory.close();
    await rm(this.root, { recursive: true });
    return faults;
  }

  async create(id: string, model = "small"): Promise<void> {
    const retention = { ...RETENTION, ttlMs: 3_600_000, maxAgeMs: 86_400_000 };
    await this.sessions.create({ session: session(id), model, retention });
  }

  plan(id: string, prompt: string | TokenSequence, changes: Partial<PlanRequest> = {}) {
    const sequence = typeof prompt === "string" ? tokens(prompt) : prompt;
    const base = { session: session(id), maxNewTokens: 4, engine: undefined };
    return this.desk.plan({ ...base, prompt: sequence, ...changes });
  }

  /** As an engine that has written, in each part, the tokens of `prompt + output` that it may. */
  async commit(
    plan: TurnPlan,
    [prompt, output]: readonly [string, string],
    changes: Partial<CommitRequest> = {},
  ): Promise<CommitOutcome> {
    const segments = written(plan, prompt.length + output.length);
    for (const segment of segments) await this.write(segment);
    return this.desk.commit({
      turn: turnOf(plan),
      prompt: tokens(prompt),
      output: tokens(output).ids,
      segments,
      engine: async () => undefined,
      ...changes,
    });
  }

  /** A whole turn, listed from now on. */
  async turn(id: string, prompt: string, output: string): Promise<TurnPlan> {
    const plan = await this.plan(id, prompt, { maxNewTokens: output.length });
    await this.commit(plan, [prompt, output]);
    await this.desk.settled();
    return plan;
  }

  /** As an engine does it: in place, into a file that is there. */
  async write({ kvUri, kvStart, tokenLength }: PlannedSegment, fill = 0x5a): Promise<void> {
    const file = await open(this.pathOf(kvUri), "r+");
    const bytes = new Uint8Array(tokenLength * this.#tokenBytes).fill(fill);
    await file.write(bytes, 0, bytes.length, kvStart);
    await file.close();
  }

  pathOf(kvUri: string): string {
    return join(this.root, kvUri.slice("file:///".length));
  }

  async sizeOf(kvUri: string): Promise<number> {
    return (await stat(this.pathOf(kvUri))).size;
  }
}

/** What an engine that has `end` tokens by now stores of the plan's parts. */
export function written(plan: TurnPlan, end: number): PlannedSegment[] {
  return freshOf(plan).flatMap((part) => {
    const tokenLength = Math.min(part.tokenLength, end - part.tokenStart);
    return tokenLength > 0 ? [{ ...part, tokenLength }] : [];
  });
}

export function freshOf({ fresh }: TurnPlan): readonly PlannedSegment[] {
  if (fresh.kind === "reserved") return fresh.segments;
  throw new Error(`no reservation: ${fresh.reason}`);
}

export function turnOf({ fresh }: TurnPlan): TurnId {
  if (fresh.kind === "reserved") return fresh.turn;
  throw new Error(`no reservation: ${fresh.reason}`);
}

/** Of the default tenant unless it is named as `tenant/id`. */
export function session(name: string): SessionKey {
  const [tenant = "", id = ""] = name.includes("/") ? name.split("/") : ["", name];
  return { tenant, id };
}

export function tokens(text: string): TokenSequence {
  const ids = Array.from(text, (letter) => letter.charCodeAt(0));
  return { kind: "engine", context: {}, grid: [], ids };
}

/** `[tokenStart, tokenLength]` of each. */
export function spans(segments: readonly PlannedSegment[]): number[][] {
  return segments.map(({ tokenStart, tokenLength }) => [tokenStart, tokenLength]);
}
