/**
 * Turns end to end: a real Envoy, Moorline with both halves as its own process, and computing engines in this one or as processes of
 * their own. All engines have the same root, which is Moorline's one location.
 */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Bootstrap, type BootstrapName, fillBootstrap } from "../../envoy/bootstrap.ts";
import { TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "../../demo/engine/tokenizer/files.ts";
import { SHAPES } from "../../demo/engine/model/shape.ts";
import { engineProfile } from "../../demo/engine/profile.ts";
import type { EngineLimits } from "../../demo/engine/serving/engine.ts";
import { startEnvoy } from "../../demo/stack/envoy.ts";
import { EngineProcess, type EngineProcessOptions } from "../../demo/stack/engine.ts";
import { createFolder, removeFolder } from "../../demo/stack/folder.ts";
import { type Moorline, type MoorlineSettings, startMoorline } from "../../demo/stack/moorline.ts";
import type { ClientResponse } from "./client.ts";
import { type ComputingEngine, startComputingEngine } from "./computing-engine.ts";
import { metric } from "./moorline-view.ts";
import { until } from "./until.ts";

export interface ComputingStackOptions {
  readonly bootstrap?: BootstrapName;
  /** Their names. */
  readonly engines?: readonly string[];
  /** Those that can be killed. */
  readonly processes?: readonly string[];
  /** Of the processes: options of the engine's main.ts. */
  readonly processSettings?: EngineProcessOptions["settings"];
  /** Of the engines and of the profile. */
  readonly limits?: Partial<EngineLimits>;
  /** Of `pools[].kv`, over `sglang-session` with the engines' tokenizer. */
  readonly turns?: MoorlineSettings;
  /** A chat template in place of the engines' own. */
  readonly template?: string;
  /** Of `kv`, section by section. */
  readonly kv?: MoorlineSettings;
  /** More of the configuration. */
  readonly settings?: MoorlineSettings;
  /** What a user would adapt in the bootstrap. */
  readonly adapt?: (bootstrap: Bootstrap) => void;
}

export interface ComputingStack {
  /** Where clients connect. */
  readonly url: string;
  readonly moorline: Moorline;
  readonly engines: ReadonlyMap<string, ComputingEngine>;
  readonly processes: ReadonlyMap<string, EngineProcess>;
  /** Of all engines, by their names. */
  readonly addresses: ReadonlyMap<string, string>;
  /** The root of engines and location. */
  readonly root: string;
  /** All that was committed so far is listed or dropped; so many turns are. */
  settled(turns: number): Promise<void>;
  /** Turns of which all is settled that was stored, so that their engines are told that they are over. */
  over(): Promise<number>;
  /** Sends one turn, and waits until it is over where it was one with KV. No other turn may be open. */
  toItsEnd<T extends Answered>(send: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** To a request that asked for its KV's status. */
type Answered = ClientResponse | { readonly response: ClientResponse };

/** Resolves when Moorline knows every engine. */
export async function startComputingStack(
  options: ComputingStackOptions = {},
): Promise<ComputingStack> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) await next();
  };
  try {
    // All that Moorline reads and writes is in its one folder, so that it may run in a container.
    const folder = await createFolder("moorline-turns-");
    closers.push(() => removeFolder(folder));
    const root = join(folder, "kv");
    await mkdir(root);
    for (const file of [TOKENIZER_FILE, TOKENIZER_CONFIG_FILE]) {
      await copyFile(file, join(folder, basename(file)));
    }
    if (options.template !== undefined) await writeFile(templateIn(folder), options.template);
    const limits = { pageSize: 16, loadThreshold: 0, cacheTokens: 0, ...options.limits };
    const engines = new Map<string, ComputingEngine>();
    for (const name of options.engines ?? ["a", "b"]) {
      const engine = await startComputingEngine({ name, root, limits });
      closers.push(() => engine.close());
      engines.set(name, engine);
    }
    const processes = new Map<string, EngineProcess>();
    for (const name of options.processes ?? []) {
      const settings = { root, ...flagsOf(limits), ...options.processSettings };
      const engine = new EngineProcess({ name, kind: "computing", settings });
      await engine.start();
      closers.push(() => engine.close());
      processes.set(name, engine);
    }
    const addresses = new Map([
      ...Array.from(engines, ([name, { port }]) => [name, `127.0.0.1:${port}`] as const),
      ...Array.from(processes, ([name, { address }]) => [name, address] as const),
    ]);
    const settings = settingsOf(options, { addresses, root, folder, limits });
    const moorline = await startMoorline(settings, { folder });
    closers.push(() => moorline.close());
    const bootstrap = await fillBootstrap(options.bootstrap ?? "override-host", {
      listenPort: 0,
      adminPort: 0,
      extproc: moorline.extprocPort,
      edsFile: moorline.edsFile,
    });
    options.adapt?.(bootstrap);
    const envoy = await startEnvoy({ bootstrap });
    closers.push(() => envoy.close());
    const ready = 'moorline_kv_engines{pool="default",state="ready"}';
    await until(async () => (await metric(moorline, ready)) === addresses.size);
    const settled = async (turns: number) => {
      const series = 'moorline_kv_segments_settled_total{result="durable"}';
      await until(async () => (await metric(moorline, series)) >= turns);
    };
    const over = async () => metric(moorline, 'moorline_kv_session_closes_total{result="closed"}');
    const toItsEnd = async <T extends Answered>(send: () => Promise<T>) => {
      const before = await over();
      const answer = await send();
      const { headers } = "response" in answer ? answer.response : answer;
      if (headers["x-moorline-kv"]?.startsWith("reused="))
        await until(async () => (await over()) > before);
      return answer;
    };
    const parts = { moorline, engines, processes, addresses, root };
    return { url: envoy.url(), ...parts, settled, over, toItsEnd, close };
  } catch (reason) {
    await close();
    throw reason;
  }
}

/** The cache of engines that are processes is their default, or none. */
function flagsOf({ pageSize, loadThreshold, cacheTokens }: Limits) {
  const flags = { "page-size": pageSize, "load-threshold": loadThreshold };
  return cacheTokens === 0 ? { ...flags, stateless: true as const } : flags;
}

type Limits = Pick<EngineLimits, "pageSize" | "loadThreshold" | "cacheTokens">;

interface Parts {
  readonly addresses: ReadonlyMap<string, string>;
  readonly root: string;
  readonly folder: string;
  readonly limits: Limits;
}

function settingsOf(options: ComputingStackOptions, parts: Parts): MoorlineSettings {
  const { addresses, root, folder, limits } = parts;
  const location = { id: "disk", root, uriPrefix: "file:///", capacityBytes: 2 ** 30 };
  return {
    pools: [
      {
        name: "default",
        endpoints: Array.from(addresses, ([id, address]) => ({ id, address })),
        kv: {
          profile: engineProfile(SHAPES.tiny, limits),
          dialect: "sglang-session",
          tokenizer: {
            file: join(folder, basename(TOKENIZER_FILE)),
            config: join(folder, basename(TOKENIZER_CONFIG_FILE)),
            template: options.template === undefined ? null : templateIn(folder),
          },
          ...options.turns,
        },
      },
    ],
    // Engines that are asked in this process wait while a test computes what they must answer.
    health: { intervalMs: 100, timeoutMs: 10_000 },
    kv: {
      catalog: { path: join(folder, "catalog") },
      listen: "127.0.0.1:0",
      locations: [location],
      verify: { quietMs: 20 },
      ...options.kv,
    },
    ...options.settings,
  };
}

function templateIn(folder: string): string {
  return join(folder, "template.jinja");
}
