/**
 * Turns end to end: a real Envoy, Moorline with both halves as its own process, and computing engines in this one or as processes of
 * their own. All engines have the same root, which is Moorline's one location.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SHAPES } from "../../demo/engine/model/shape.ts";
import type { EngineLimits } from "../../demo/engine/serving/engine.ts";
import { copyTokenizer } from "../../demo/engine/tokenizer/files.ts";
import { turnsSettings } from "../../demo/engine/turns-settings.ts";
import { EngineProcess, type EngineProcessOptions } from "../../demo/stack/engine.ts";
import { createFolder, removeFolder } from "../../demo/stack/folder.ts";
import { type GatewayOptions, startGateway } from "../../demo/stack/gateway.ts";
import type { Moorline, MoorlineSettings } from "../../demo/stack/moorline.ts";
import type { ClientResponse } from "./client.ts";
import type { ComputingEngine, ComputingEngineOptions } from "./computing-engine.ts";
import { startComputingEngine } from "./computing-engine.ts";
import { type EngineNodes, makeNodes, type Nodes } from "./engine-nodes.ts";
import { metric } from "./moorline-view.ts";
import { until } from "./until.ts";

export interface ComputingStackOptions extends Pick<GatewayOptions, "bootstrap" | "adapt"> {
  /** Their names. */
  readonly engines?: readonly string[];
  /** Those that can be killed. */
  readonly processes?: readonly string[];
  /** Of the processes: options of the engine's main.ts. */
  readonly processSettings?: EngineProcessOptions["settings"];
  /** Of the engines that are no processes. */
  readonly engineOptions?: Pick<ComputingEngineOptions, "hasTokenize" | "tellsUsage">;
  /** Of `moorline_kv_engines`, to which all of them come; `ready` unless given. */
  readonly engineState?: string;
  /** Where each engine is, so that not all see the same; else all have one root, which is the one location. */
  readonly nodes?: EngineNodes;
  /** Of the one root, each a location by its name; else the root itself is the one location. */
  readonly folders?: readonly string[];
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
  await using parts = new AsyncDisposableStack();
  // All that Moorline reads and writes is in its one folder, so that it may run in a container.
  const folder = await createFolder("moorline-turns-");
  parts.defer(() => removeFolder(folder));
  const root = join(folder, "kv");
  await mkdir(root);
  for (const each of options.folders ?? []) await mkdir(join(root, each));
  const limits = { pageSize: 16, loadThreshold: 0, cacheTokens: 0, ...options.limits };
  const { engineOptions, engineState = "ready" } = options;
  const nodes = options.nodes && (await makeNodes(folder, options.nodes));
  const rootOf = (name: string) => nodes?.root(options.nodes?.[name] ?? "") ?? root;
  const engines = new Map<string, ComputingEngine>();
  for (const name of options.engines ?? ["a", "b"]) {
    const own = { name, root: rootOf(name) };
    const engine = await startComputingEngine({ ...own, limits, ...engineOptions });
    engines.set(name, parts.use(engine));
  }
  const processes = new Map<string, EngineProcess>();
  for (const name of options.processes ?? []) {
    const settings = { root: rootOf(name), ...flagsOf(limits), ...options.processSettings };
    const engine = new EngineProcess({ name, kind: "computing", settings });
    parts.defer(() => engine.close());
    await engine.start();
    processes.set(name, engine);
  }
  const addresses = new Map([
    ...Array.from(engines, ([name, { port }]) => [name, `127.0.0.1:${port}`] as const),
    ...Array.from(processes, ([name, { address }]) => [name, address] as const),
  ]);
  const { bootstrap, adapt } = options;
  const gateway = await startGateway({
    settings: await settingsOf(options, { addresses, nodes, root, folder, limits }),
    places: { folder },
    ...(bootstrap && { bootstrap }),
    ...(adapt && { adapt }),
  });
  parts.defer(() => gateway.close());
  const { moorline, url } = gateway;
  const known = `moorline_kv_engines{pool="default",state="${engineState}"}`;
  await until(async () => (await metric(moorline, known)) === addresses.size);
  const started = parts.move();
  const close = () => started.disposeAsync();
  return { url, moorline, engines, processes, addresses, root, ...waits(moorline), close };
}

/** For what Moorline does after an answer. */
function waits(moorline: Moorline): Pick<ComputingStack, "settled" | "over" | "toItsEnd"> {
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
  return { settled, over, toItsEnd };
}

/** The cache of engines that are processes is their default, or none. */
function flagsOf({ pageSize, loadThreshold, cacheTokens }: Limits) {
  const flags = { "page-size": pageSize, "load-threshold": loadThreshold };
  return cacheTokens === 0 ? { ...flags, stateless: true as const } : flags;
}

type Limits = Pick<EngineLimits, "pageSize" | "loadThreshold" | "cacheTokens">;

interface Parts {
  readonly addresses: ReadonlyMap<string, string>;
  readonly nodes: Nodes | undefined;
  readonly root: string;
  readonly folder: string;
  readonly limits: Limits;
}

async function settingsOf(
  options: ComputingStackOptions,
  { addresses, nodes, root, folder, limits }: Parts,
): Promise<MoorlineSettings> {
  const tokenizer = await copyTokenizer(folder);
  const template = options.template === undefined ? null : join(folder, "template.jinja");
  if (template !== null) await writeFile(template, options.template ?? "");
  const { pools, kv } = turnsSettings({
    endpoints: addresses,
    shape: SHAPES.tiny,
    limits,
    tokenizer,
    root,
    capacityBytes: 2 ** 30,
    folder,
    apiPort: 0,
  });
  const [pool] = pools;
  const locations = nodes?.locations ?? options.folders?.map((id) => locationAt(root, id));
  const endpoints = Array.from(addresses, ([id, address]) => {
    const node = options.nodes?.[id];
    return { id, address, labels: node === undefined ? {} : { node } };
  });
  return {
    pools: [
      {
        ...pool,
        endpoints,
        kv: { ...pool.kv, tokenizer: { ...tokenizer, template }, ...options.turns },
      },
    ],
    // Engines that are asked in this process wait while a test computes what they must answer.
    health: { intervalMs: 100, timeoutMs: 10_000 },
    kv: { ...kv, ...(locations && { locations }), ...options.kv },
    ...options.settings,
  };
}

function locationAt(root: string, id: string): MoorlineSettings {
  const space = { capacityBytes: 2 ** 30, freeFloorBytes: 0 };
  return { id, root: join(root, id), uriPrefix: `file:///${id}/`, ...space };
}
