/**
 * The KV service as a process of its own, over a folder that outlives it: started, killed and started again on ports that are free.
 * The model is small, 512 bytes for each token in 8 planes, so that a test can read every byte again.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { createClient, type KvClient } from "../../client/index.ts";
import type { components } from "../../client/schema.d.ts";
import { type EngineLayout, engineBytes, type TokenSpan } from "./kv-engine-bytes.ts";
import type { EngineWork, KvEngine } from "./kv-engine.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");

export type Plan = components["schemas"]["Plan"];
export type Placed = Plan["stored_kv_cache"][number];

export const MODEL = "small";
export const PAGE = 16;
export const LAYOUT: EngineLayout = { planes: 8, unitBytes: 64 };
export const TOKEN_BYTES = LAYOUT.planes * LAYOUT.unitBytes;
/** In one line of YAML. */
export const PROFILE = `{ kind: mha, id: ${MODEL}, revision: r, layers: 4, kvHeads: 1, headDim: 32, dtype: bf16, pageSize: ${PAGE}, loadThreshold: 0 }`;

/** Sections of `kv`, each in one line of YAML, in place of these. */
const SECTIONS = {
  locations: '[{ id: disk, root: disk, uriPrefix: "file:///disk/", capacityBytes: 1073741824 }]',
  turns: "{ turnMs: 60000, settleMs: 30000, reservationTokens: 4096, waitMs: 0 }",
  verify: "{ quietMs: 20, settleMaxMs: 400, probeTimeoutMs: 100 }",
  keeper: "{ intervalMs: 50, quarantineMs: 60000 }",
  tenants: "[{ name: acme }]",
  retention: "{}",
  defaultTenant: "{}",
  readahead: "{}",
  replicas: "{}",
};

export interface ServiceOptions {
  readonly sections?: Partial<typeof SECTIONS>;
  /** What the process may write at the end of a file, as `ulimit -f` has it; none by default. */
  readonly fileLimitBytes?: number;
}

/** Folders that there are for locations; the first is that of the one location that there is unless a test says otherwise. */
export const LOCATIONS = ["disk", "other"] as const;

interface Running {
  readonly child: ChildProcess;
  readonly addresses: { readonly kv: string; readonly admin: string };
}

export class KvService {
  readonly folder: string;
  readonly #options: ServiceOptions;
  #running: Running | undefined;

  /** Its folder is there, and it is not started. */
  static async create(options: ServiceOptions = {}): Promise<KvService> {
    const folder = await mkdtemp(join(tmpdir(), "moorline-kv-"));
    for (const location of LOCATIONS) await mkdir(join(folder, location));
    const sections = Object.entries({ ...SECTIONS, ...options.sections });
    const lines = sections.map(([key, value]) => `  ${key}: ${value}`);
    await writeFile(join(folder, "moorline.yaml"), `${HEAD}${lines.join("\n")}\n`);
    return new KvService(folder, options);
  }

  static async start(options: ServiceOptions = {}): Promise<KvService> {
    const service = await KvService.create(options);
    await service.start();
    return service;
  }

  constructor(folder: string, options: ServiceOptions) {
    this.folder = folder;
    this.#options = options;
  }

  get pid(): number {
    return this.#run.child.pid ?? 0;
  }

  get configPath(): string {
    return join(this.folder, "moorline.yaml");
  }

  get catalogPath(): string {
    return join(this.folder, "catalog");
  }

  /** Until it listens. `onSpawn` is told of the process before that. */
  async start(onSpawn: (child: ChildProcess) => void = () => {}): Promise<void> {
    const serve = [process.execPath, MAIN, "serve", "--config", this.configPath, "--roles", "kv"];
    const limit = Math.floor((this.#options.fileLimitBytes ?? 0) / 512); // as sh counts
    const command =
      limit === 0 ? serve : ["sh", "-c", `ulimit -f ${limit}; exec "$@"`, "sh", ...serve];
    const [program = "", ...args] = command;
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    onSpawn(child);
    const lines = createInterface({ input: child.stdout });
    for await (const line of lines) {
      const { msg, ...rest } = JSON.parse(line) as { msg: string } & Running["addresses"];
      if (msg !== "listening") continue;
      this.#running = { child, addresses: rest };
      break;
    }
    child.stdout.resume(); // what is logged from here on is nobody's
    if (this.#running?.child !== child) throw new Error("the service ended before it listened");
  }

  /** As a power switch would, but for what the kernel holds. */
  async kill(): Promise<void> {
    const { child } = this.#run;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await gone;
    this.#running = undefined;
  }

  /** What `moorline kv check --bytes` finds, a line each, with how many there were; while it does not run. */
  async check(...options: readonly "--repair"[]): Promise<readonly string[]> {
    const args = [MAIN, "kv", "check", "--bytes", ...options, "--config", this.configPath];
    const output = await new Promise<string>((resolve) => {
      execFile(process.execPath, args, (_, stdout, stderr) => resolve(stdout + stderr));
    });
    return output.trimEnd().split("\n");
  }

  /** Ends it if it runs, and removes its folder. */
  async remove(): Promise<void> {
    if (this.#running !== undefined) await this.kill();
    await rm(this.folder, { recursive: true });
  }

  client(tenant = ""): KvClient {
    return createClient({ url: `http://${this.#run.addresses.kv}`, tenant });
  }

  /** The value that a scrape shows; 0 for what is not there. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const response = await fetch(`http://${this.#run.addresses.admin}/metrics`);
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const rows = (await response.text()).split("\n").filter((line) => {
      const [id = ""] = line.split(" ");
      return id.split("{")[0] === `moorline_${name}` && wanted.every((pair) => id.includes(pair));
    });
    return rows.reduce((sum, row) => sum + Number(row.split(" ").at(-1)), 0);
  }

  pathOf(uri: string): string {
    return join(this.folder, uri.slice("file:///".length));
  }

  /** The bytes that lie where the plan says. */
  async bytesAt({ kv_uri, kv_start, token_length }: Placed): Promise<Buffer> {
    const file = await readFile(this.pathOf(kv_uri));
    return file.subarray(kv_start, kv_start + token_length * TOKEN_BYTES);
  }

  get #run(): Running {
    if (this.#running === undefined) throw new Error("the service does not run");
    return this.#running;
  }
}

const HEAD = `
pools:
  - name: default
    endpoints: []
    kv: { profile: ${PROFILE} }
admin: { listen: "127.0.0.1:0" }
kv:
  listen: "127.0.0.1:0"
  catalog: { path: catalog }
`;

export function spanOf({
  token_start,
  token_length,
}: Omit<Placed, "kv_uri" | "kv_start">): TokenSpan {
  return { start: token_start, length: token_length };
}

/** What must lie where a plan lists these tokens. */
export function bytesOf(tokens: readonly number[], placed: Placed): Buffer {
  return engineBytes(LAYOUT, tokens, spanOf(placed));
}

/** What an engine that has these tokens stores of a reservation, and what it says of it: whole pages, and no empty part. */
export function written(plan: Plan, tokens: readonly number[]): Placed[] {
  const end = tokens.length - (tokens.length % PAGE);
  return plan.fresh_kv_cache.flatMap((part) => {
    const token_length = Math.min(part.token_length, end - part.token_start);
    return token_length > 0 ? [{ ...part, token_length }] : [];
  });
}

export type EngineManner = Pick<EngineWork, "delayMs" | "stallMs" | "diesAfterEighths">;

export interface EngineTask extends EngineManner {
  readonly service: KvService;
  readonly tokens: readonly number[];
  readonly parts: readonly Placed[];
}

/** Has the engine write these tokens where the parts are. */
export function storeWith(engine: KvEngine, { service, tokens, parts, ...manner }: EngineTask) {
  return engine.write({
    layout: LAYOUT,
    tokens,
    parts: parts.map(({ kv_uri, kv_start, token_start, token_length }) => ({
      path: service.pathOf(kv_uri),
      kvStart: kv_start,
      tokenStart: token_start,
      tokenLength: token_length,
    })),
    ...manner,
  });
}
