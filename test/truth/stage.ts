/**
 * Where the truth run plays: a real Envoy, Moorline with both halves as a process, and three computing engines as processes, two of
 * which keep nothing between requests. Moorline and the engines can be killed and come back at their places.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient, type KvClient } from "../../client/index.ts";
import { SHAPES } from "../../demo/engine/model/shape.ts";
import { engineProfile } from "../../demo/engine/profile.ts";
import { copyTokenizer, type TokenizerFiles } from "../../demo/engine/tokenizer/files.ts";
import { SPECIAL_TOKENS } from "../../demo/engine/tokenizer/vocabulary.ts";
import { EngineProcess } from "../../demo/stack/engine.ts";
import type { Envoy } from "../../demo/stack/envoy.ts";
import { createFolder, removeFolder } from "../../demo/stack/folder.ts";
import { startGateway } from "../../demo/stack/gateway.ts";
import { type Moorline, type MoorlineSettings, startMoorline } from "../../demo/stack/moorline.ts";
import { freePort } from "../../demo/stack/ports.ts";
import type { Bootstrap } from "../../envoy/bootstrap.ts";
import type { DialectName } from "../../src/kv/dialects/dialect.ts";
import { until } from "../support/until.ts";
import { FORGED_FILE, POOLS } from "./ask.ts";
import { Counters } from "./counters.ts";

const MIB = 2 ** 20;
const PAGE_SIZE = 8;
const LOAD_THRESHOLD = 16;
/** `c` has a radix cache, of less than it is asked. */
const ENGINES = {
  a: { stateless: true },
  b: { stateless: true },
  c: { "cache-tokens": 1500 },
} as const;
export const STATELESS: ReadonlySet<string> = new Set(["a", "b"]);
export const TENANTS = ["acme", "umbrella"] as const;
/** Longer than a turn of the run takes: its files are free again soon after. */
const TURN_MS = 4_000;
const CALM_MS = 30_000;

/** Kept over restarts. */
interface Ports {
  readonly extproc: number;
  readonly admin: number;
  readonly kv: number;
}

interface Places {
  readonly folder: string;
  readonly tokenizer: TokenizerFiles;
  readonly ports: Ports;
  readonly diskBytes: number;
}

export class TruthStage {
  readonly engines: readonly EngineProcess[];
  /** What all of Moorline's processes counted so far. */
  readonly counters = new Counters();
  /** Of engines and locations. */
  readonly root: string;
  /** All that Moorline needs lies in it, so that it may as well run in a container. */
  readonly #folder: string;
  readonly #tokenizer: TokenizerFiles;
  readonly #ports: Ports;
  readonly #diskBytes: number;
  #moorline: Moorline | undefined;
  #envoy: Envoy | undefined;

  /** `diskBytes`: as much as the run can be expected to fill. */
  static async open(diskBytes: number): Promise<TruthStage> {
    const folder = await createFolder("moorline-truth-");
    const root = join(folder, "kv");
    for (const id of ["memory", "twin", "disk"]) await mkdir(join(root, id), { recursive: true });
    await writeFile(join(root, FORGED_FILE), Buffer.alloc(MIB, 0x3f));
    const tokenizer = await copyTokenizer(folder);
    const ports = { extproc: await freePort(), admin: await freePort(), kv: await freePort() };
    const stage = new TruthStage({ folder, tokenizer, ports, diskBytes });
    try {
      await stage.#start();
      return stage;
    } catch (reason) {
      await stage.close();
      throw reason;
    }
  }

  private constructor({ folder, tokenizer, ports, diskBytes }: Places) {
    const root = join(folder, "kv");
    this.root = root;
    this.#folder = folder;
    this.#tokenizer = tokenizer;
    this.#ports = ports;
    this.#diskBytes = diskBytes;
    const common = { root, "page-size": PAGE_SIZE, "load-threshold": LOAD_THRESHOLD };
    this.engines = Object.entries(ENGINES).map(
      ([name, more]) =>
        new EngineProcess({ name, kind: "computing", settings: { ...common, ...more } }),
    );
  }

  /** Where clients connect. */
  get url(): string {
    return this.#running(this.#envoy).url();
  }

  get moorline(): Moorline {
    return this.#running(this.#moorline);
  }

  client(tenant: string): KvClient {
    return createClient({ url: `http://127.0.0.1:${this.#ports.kv}`, tenant });
  }

  pathOf(uri: string): string {
    return join(this.root, uri.slice("file:///".length));
  }

  /** As a crash, or as a deployment does it. */
  async stopMoorline(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    await this.counters.keep(this.moorline.adminUrl);
    this.moorline.child.signal(signal);
    await this.moorline.child.ended;
  }

  /** Resolves when requests pass again. A second turn of a session waits, or branches. */
  async startMoorline(whenBusy: "wait" | "branch"): Promise<void> {
    const { extproc, admin } = this.#ports;
    this.#moorline = await startMoorline(this.#settings(whenBusy), {
      extproc,
      admin,
      folder: this.#folder,
    });
    await this.#enginesKnown();
  }

  async startEngine(engine: EngineProcess): Promise<void> {
    await engine.start();
    await this.#enginesKnown();
  }

  /** Nobody writes, nothing waits to be proven, and no turn is open. */
  async calm(): Promise<void> {
    await until(async () => {
      const page = await this.counters.page(this.moorline.adminUrl);
      const open = [...page].filter(([series, value]) => isUnderWay(series) && value > 0);
      if (open.length > 0) return false;
      const pending = await Promise.all(this.engines.map(pendingWrites));
      return pending.every((count) => count === 0);
    }, CALM_MS);
  }

  async settle(): Promise<void> {
    await this.counters.keep(this.moorline.adminUrl);
  }

  /** Lines of Moorline's log that tell of something that must not be. */
  async errors(): Promise<readonly string[]> {
    const log = await readFile(this.moorline.logPath, "utf8");
    return log.split("\n").filter((line) => /"level":"(error|fatal)"/.test(line));
  }

  async close(): Promise<void> {
    await this.#envoy?.close();
    await this.#moorline?.close();
    await Promise.all(this.engines.map((engine) => engine.close()));
    await removeFolder(this.#folder);
  }

  async #start(): Promise<void> {
    await Promise.all(this.engines.map((engine) => engine.start()));
    const { extproc, admin } = this.#ports;
    const { moorline, envoy } = await startGateway({
      settings: this.#settings("wait"),
      bootstrap: "override-host-pools",
      places: { extproc, admin, folder: this.#folder },
      adapt: retryAlways,
    });
    this.#moorline = moorline;
    this.#envoy = envoy;
    await this.#enginesKnown();
  }

  async #enginesKnown(): Promise<void> {
    await until(async () => {
      const page = await this.counters.page(this.moorline.adminUrl);
      return Object.values(POOLS).every(
        (pool) =>
          page.get(`moorline_kv_engines{pool="${pool}",state="ready"}`) === this.engines.length &&
          page.get(`moorline_endpoints{pool="${pool}",state="ready"}`) === this.engines.length,
      );
    });
    await until(async () => {
      const headers = { "x-model": POOLS["sglang-session"] };
      return (await fetch(`${this.url}/health`, { headers })).ok;
    });
  }

  #settings(whenBusy: "wait" | "branch"): MoorlineSettings {
    const endpoints = this.engines.map(({ name: id, address }) => ({ id, address }));
    const limits = { pageSize: PAGE_SIZE, loadThreshold: LOAD_THRESHOLD };
    const profile = engineProfile(SHAPES.tiny, limits);
    return {
      session: { tenantHeader: "x-tenant" },
      model: { header: "x-model" },
      pools: Object.entries(POOLS).map(([dialect, name]) => {
        const tokens = this.#tokens(dialect as DialectName, whenBusy);
        return { name, models: [name], endpoints, kv: { profile, dialect, ...tokens } };
      }),
      health: { intervalMs: 300, timeoutMs: 300, failures: 3 },
      kv: this.#storage(whenBusy),
    };
  }

  /** Texts go as ids, or as they are: then one pool counts what engines make of them, and the other leaves that to the engines. */
  #tokens(dialect: DialectName, whenBusy: "wait" | "branch"): MoorlineSettings {
    const tokenizer = this.#tokenizer;
    if (whenBusy === "wait") return { tokenizer };
    if (dialect === "sglang-explicit") return { tokenizer, sendTokens: false };
    return { specialTokens: Object.values(SPECIAL_TOKENS).map(({ text }) => text) };
  }

  /** Small, and with short times: a run sees them all pass. */
  #storage(whenBusy: "wait" | "branch"): MoorlineSettings {
    const location = (id: string, tier: "memory" | "disk", capacityBytes: number) => ({
      id,
      tier,
      root: join(this.root, id),
      uriPrefix: `file:///${id}/`,
      capacityBytes,
      headroomBytes: capacityBytes * (tier === "memory" ? 3 / 8 : 1 / 4), // so that room is short in two as in one
      freeFloorBytes: 0,
    });
    return {
      listen: `127.0.0.1:${this.#ports.kv}`,
      catalog: { path: join(this.#folder, "catalog"), durability: "process" },
      locations: [
        location("memory", "memory", MIB),
        location("twin", "memory", 4 * MIB),
        location("disk", "disk", this.#diskBytes),
      ],
      // What was read in the last seconds has a copy at the twin.
      replicas: { readsPerSecondPerCopy: 0.1, halfLifeMs: 1_000, coolDownMs: 1_000, idleMs: 5_000 },
      retention: {
        defaultClass: "standard",
        classes: [
          { name: "brief", ttlMs: 1_500, priority: 10 },
          { name: "standard", ttlMs: 60_000 },
        ],
      },
      tenants: [
        { name: "acme", trusts: ["umbrella"] },
        { name: "umbrella", trusts: ["acme"] },
      ],
      turns: { turnMs: TURN_MS, settleMs: TURN_MS, waitMs: 300, whenBusy, reservationTokens: 1024 },
      verify: { quietMs: 20, settleMaxMs: 500, probeTimeoutMs: 300 },
      keeper: { intervalMs: 100, quarantineMs: TURN_MS },
    };
  }

  #running<T>(part: T | undefined): T {
    if (part === undefined) throw new Error("it does not run");
    return part;
  }
}

/** Unlike the shipped bootstraps: then a second engine may get what a first one has computed, and perhaps stored. */
function retryAlways({ static_resources: { listeners } }: Bootstrap): void {
  const managers = listeners.flatMap(({ filter_chains: chains }) =>
    chains.flatMap(({ filters }) =>
      filters.map((filter) => filter.typed_config as unknown as Routed),
    ),
  );
  for (const { route_config: config } of managers) {
    for (const { route } of config.virtual_hosts.flatMap(({ routes }) => routes)) {
      if (route?.retry_policy !== undefined) route.retry_policy.retry_on = "5xx";
    }
  }
}

interface Routed {
  readonly route_config: {
    readonly virtual_hosts: readonly {
      readonly routes: readonly { readonly route?: { retry_policy?: { retry_on: string } } }[];
    }[];
  };
}

function isUnderWay(series: string): boolean {
  if (series === "moorline_kv_verifying" || series === "moorline_open_exchanges") return true;
  return /^moorline_kv_segments\{.*state="(reserved|reported)"/.test(series);
}

interface ServerInfo {
  readonly internal_states: readonly { readonly pending_writes: number }[];
}

async function pendingWrites({ url }: EngineProcess): Promise<number> {
  const info = (await (await fetch(`${url}/get_server_info`)).json()) as ServerInfo;
  return info.internal_states[0]?.pending_writes ?? 0;
}
