/** Llama-servers that save on one location, Moorline with both halves as its own process, and a real Envoy. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createFolder, removeFolder } from "../stack/folder.ts";
import type { Envoy } from "../stack/envoy.ts";
import { type Gateway, startGateway } from "../stack/gateway.ts";
import { type Moorline, type MoorlineSettings, startMoorline } from "../stack/moorline.ts";
import { endpointStates, knownEngines } from "../stack/moorline-view.ts";
import { freePort } from "../stack/ports.ts";
import { until } from "../stack/until.ts";
import { LlamaServer, type LlamaServerOptions } from "./server.ts";
import { llamaSettings, makeRoot, stagingFolder } from "./settings.ts";

export interface LlamaStageOptions extends Pick<
  LlamaServerOptions,
  "model" | "slots" | "contextTokens"
> {
  /** Their names; `a` and `b` unless given. */
  readonly servers?: readonly string[];
  /** Of the location; a new folder unless given. */
  readonly root?: string;
  readonly capacityBytes?: number;
  /** Of `pools[].kv.slots`. */
  readonly slotSettings?: MoorlineSettings;
  /** Of `kv`, over what is there. */
  readonly kv?: MoorlineSettings;
  /** More of the configuration. */
  readonly settings?: MoorlineSettings;
  /** Free ones unless given. */
  readonly ports?: { readonly ingress: number; readonly admin: number; readonly api: number };
  readonly signal?: AbortSignal;
}

interface Parts {
  readonly options: LlamaStageOptions;
  readonly folder: string;
  readonly root: string;
  readonly servers: readonly LlamaServer[];
  readonly apiPort: number;
}

const capacityBytes = 2 ** 30;
const deadlineMs = 30_000;

/** Resolves when Moorline knows every server. */
export async function startLlamaStage(options: LlamaStageOptions): Promise<LlamaStage> {
  const { model, slots, contextTokens } = options;
  await using parts = new AsyncDisposableStack();
  const folder = await createFolder("moorline-llama-");
  parts.defer(() => removeFolder(folder));
  const root = options.root ?? join(folder, "kv");
  await makeRoot(root);
  const slotSavePath = stagingFolder(root);
  const servers = (options.servers ?? ["a", "b"]).map(
    (name) => new LlamaServer({ name, model, slotSavePath, slots, contextTokens }),
  );
  for (const server of servers) parts.defer(() => server.close());
  await Promise.all(servers.map(async (server) => server.start()));

  const apiPort = options.ports?.api ?? (await freePort());
  const settings = settingsOf({ options, folder, root, servers, apiPort });
  const gateway = await startGateway({ settings, places: { folder, ...options.ports } });
  const stage = new LlamaStage({ options, folder, root, servers, apiPort }, gateway);
  parts.move(); // the stage closes them from now on
  try {
    await stage.known(servers.length);
    return stage;
  } catch (reason) {
    await stage.close();
    throw reason;
  }
}

export class LlamaStage {
  readonly servers: readonly LlamaServer[];
  /** Of the location. */
  readonly root: string;
  /** Where servers save. */
  readonly staging: string;
  /** Of the KV service. */
  readonly apiUrl: string;
  /** Where clients connect. */
  readonly url: string;
  readonly #parts: Parts;
  readonly #envoy: Envoy;
  #moorline: Moorline;

  constructor(parts: Parts, { url, moorline, envoy }: Gateway) {
    this.servers = parts.servers;
    this.root = parts.root;
    this.staging = stagingFolder(parts.root);
    this.apiUrl = `http://127.0.0.1:${parts.apiPort}`;
    this.url = url;
    this.#parts = parts;
    this.#moorline = moorline;
    this.#envoy = envoy;
  }

  /** As it is now. */
  get moorline(): Moorline {
    return this.#moorline;
  }

  /** Throws where there is none of that name. */
  server(name: string): LlamaServer {
    const found = this.servers.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no server ${name}`);
    return found;
  }

  /** Where the session is bound. */
  async homeOf(sessionId: string): Promise<LlamaServer> {
    const response = await fetch(`${this.#moorline.adminUrl}/v1/sessions/${sessionId}`);
    const { endpoint = "" } = (await response.json()) as { readonly endpoint?: string };
    return this.server(endpoint);
  }

  /** Resolves when Moorline has seen so many servers, with their slots and their model. */
  async known(servers: number): Promise<void> {
    await this.#wait(async () => (await knownEngines(this.#moorline)) === servers);
  }

  /** Resolves when Moorline has seen that the server is down. */
  async seenDown({ name }: LlamaServer): Promise<void> {
    await this.#wait(async () => (await endpointStates(this.#moorline))[name] === "down");
  }

  /** Resolves when the session lists a snapshot of at least so many tokens. */
  async saved(sessionId: string, tokens: number): Promise<void> {
    await this.#wait(async () => (await storedTokens(this.apiUrl, sessionId)) >= tokens);
  }

  /** Paths of what is stored in the location, in order: not what is in its staging folder, nor the mark of Moorline's. */
  async storedFiles(): Promise<readonly string[]> {
    const found = await readdir(this.root, { recursive: true, withFileTypes: true });
    return found
      .filter((each) => each.isFile() && !each.name.startsWith(".moorline"))
      .filter(({ parentPath }) => parentPath !== this.staging)
      .map((each) => join(each.parentPath, each.name))
      .toSorted();
  }

  /** Kills Moorline, as a crash does. Resolves when another one in its place knows every server that runs. */
  async restartMoorline(): Promise<void> {
    const { folder, servers } = this.#parts;
    await this.#moorline.child.kill();
    const { extprocPort: extproc, adminPort: admin } = this.#moorline;
    const places = { extproc, admin, folder };
    this.#moorline = await startMoorline(settingsOf(this.#parts), places);
    await this.known(servers.filter(({ isRunning }) => isRunning).length);
  }

  async close(): Promise<void> {
    await this.#envoy.close();
    await this.#moorline.close();
    await Promise.all(this.servers.map(async (server) => server.close()));
    await removeFolder(this.#parts.folder);
  }

  async #wait(isTrue: () => Promise<boolean>): Promise<void> {
    await until(isTrue, deadlineMs, this.#parts.options.signal);
  }
}

function settingsOf({ options, folder, root, servers, apiPort }: Parts): MoorlineSettings {
  const { pools, kv } = llamaSettings({
    endpoints: new Map(servers.map(({ name, address }) => [name, address])),
    root,
    capacityBytes: options.capacityBytes ?? capacityBytes,
    folder,
    apiPort,
    ...(options.slotSettings && { slots: options.slotSettings }),
  });
  const health = { intervalMs: 100, timeoutMs: 10_000 };
  return { health, pools, kv: { ...kv, ...options.kv }, ...options.settings };
}

/** Of the longest snapshot that the session lists; 0 where there is none. */
async function storedTokens(apiUrl: string, sessionId: string): Promise<number> {
  const response = await fetch(`${apiUrl}/v1/sessions/${sessionId}/segments`);
  if (!response.ok) return 0;
  const { segments } = (await response.json()) as SegmentList;
  const durable = segments.filter(({ state }) => state === "durable");
  return Math.max(0, ...durable.map(({ token_length: tokens }) => tokens));
}

interface SegmentList {
  readonly segments: readonly { readonly state: string; readonly token_length: number }[];
}
