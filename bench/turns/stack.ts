/** Envoy with two listeners before the same endpoints: through Moorline, and round robin without ext_proc. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { engineProfile } from "../../demo/engine/profile.ts";
import { SHAPES } from "../../demo/engine/model/shape.ts";
import { copyTokenizer, type TokenizerFiles } from "../../demo/engine/tokenizer/files.ts";
import { addRoundRobinListener, roundRobinListener } from "../../demo/round-robin.ts";
import { startEnvoy } from "../../demo/stack/envoy.ts";
import { createFolder, removeFolder } from "../../demo/stack/folder.ts";
import { endpointStates, metric } from "../../demo/stack/moorline-view.ts";
import { type Moorline, type MoorlineSettings, startMoorline } from "../../demo/stack/moorline.ts";
import { freePort } from "../../demo/stack/ports.ts";
import { fillBootstrap } from "../../envoy/bootstrap.ts";

export const SHAPE_NAME = "small";
export const ENGINE_RULES = { pageSize: 16, loadThreshold: 0 } as const;

export interface Endpoint {
  readonly name: string;
  readonly address: string;
}

export interface StackOptions {
  /** Already up. */
  readonly endpoints: readonly Endpoint[];
  /** Where they load and store; undefined: Moorline only routes. */
  readonly files: string | undefined;
  readonly mode: "sticky" | "ring";
  /** Of Moorline, which reads and writes nothing but that and the files. Removed when it closes; a new one unless given. */
  readonly folder?: string;
}

export interface Stack {
  readonly moorline: Moorline;
  /** Clients connect here for Moorline. */
  readonly url: string;
  /** And here for round robin. */
  readonly plainUrl: string;
  /** Of the KV service, if there is one. */
  readonly apiUrl: string;
  close(): Promise<void>;
}

const POLL_MS = 20;
const DEADLINE_MS = 15_000;
/** Files are as large as they say before anything is in them; nothing here fills so much. */
const CAPACITY_BYTES = 64 * 1024 ** 3;

/** Resolves when Moorline knows every endpoint. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) await next();
  };
  try {
    const folder = options.folder ?? (await createFolder("moorline-bench-"));
    closers.push(() => removeFolder(folder));
    const apiPort = await freePort();
    const tokenizer = await copyTokenizer(folder);
    const settings = settingsOf(options, { folder, apiPort, tokenizer });
    const moorline = await startMoorline(settings, { folder });
    closers.push(() => moorline.close());
    await untilReady(options, moorline);
    const bootstrap = await fillBootstrap("override-host", {
      listenPort: 0,
      adminPort: 0,
      extproc: moorline.extprocPort,
      edsFile: moorline.edsFile,
    });
    addRoundRobinListener(bootstrap);
    const envoy = await startEnvoy({ bootstrap });
    closers.push(() => envoy.close());
    return {
      moorline,
      url: envoy.url(),
      plainUrl: envoy.url(roundRobinListener),
      apiUrl: `http://127.0.0.1:${apiPort}`,
      close,
    };
  } catch (reason) {
    await close();
    throw reason;
  }
}

async function untilReady({ endpoints, files }: StackOptions, moorline: Moorline): Promise<void> {
  const readyEngines = 'moorline_kv_engines{pool="default",state="ready"}';
  const untilMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const states = Object.values(await endpointStates(moorline));
    const up = states.filter((state) => state === "ready").length;
    const known = files === undefined ? up : Math.min(up, await metric(moorline, readyEngines));
    if (known === endpoints.length) return;
    if (performance.now() > untilMs)
      throw new Error(`only ${known} engines are known: ${states.join()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

interface Places {
  readonly folder: string;
  readonly apiPort: number;
  readonly tokenizer: TokenizerFiles;
}

function settingsOf({ endpoints, files, mode }: StackOptions, places: Places): MoorlineSettings {
  const members = endpoints.map(({ name: id, address }) => ({ id, address }));
  const pool = { name: "default", endpoints: members };
  const common = { affinity: { mode }, health: { intervalMs: 250 } };
  if (files === undefined) return { ...common, pools: [pool] };
  const location = { id: "disk", root: files, uriPrefix: "file:///" };
  return {
    ...common,
    pools: [
      {
        ...pool,
        kv: {
          dialect: "sglang-session",
          tokenizer: places.tokenizer,
          profile: engineProfile(SHAPES[SHAPE_NAME], ENGINE_RULES),
        },
      },
    ],
    kv: {
      listen: `127.0.0.1:${places.apiPort}`,
      catalog: { path: join(places.folder, "catalog") },
      locations: [{ ...location, capacityBytes: CAPACITY_BYTES, freeFloorBytes: 0 }],
      verify: { quietMs: 20 },
    },
  };
}

/** A folder for what engines store. */
export async function createFiles(): Promise<{ path: string; close(): Promise<void> }> {
  const folder = await createFolder("moorline-bench-files-");
  const path = join(folder, "files");
  await mkdir(path);
  return { path, close: async () => removeFolder(folder) };
}
