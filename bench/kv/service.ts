/** Moorline as its own process with the KV half, on a disk, and the segments that are stored in it over HTTP. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createClient, type KvClient } from "../../client/index.ts";
import { startMoorline } from "../../demo/stack/moorline.ts";
import { freePort } from "../../demo/stack/ports.ts";

/** Of 32 layers with 8 heads of 128 in bf16. */
export const TOKEN_BYTES = 131_072;
const PROFILE = {
  kind: "mha",
  id: "bench",
  revision: "main",
  layers: 32,
  kvHeads: 8,
  headDim: 128,
  dtype: "bf16",
  pageSize: 1,
  loadThreshold: 0,
};
const ENGINE = "bench";

export interface Service {
  readonly port: number;
  readonly pid: number;
  readonly client: KvClient;
  /** Where the segments' files are; on a disk. */
  readonly root: string;
  /** For what is beside it, on the same disk. */
  readonly folder: string;
  close(): Promise<void>;
}

export interface WorkFolder {
  readonly path: string;
  /** Removes it. */
  close(): Promise<void>;
}

/** On the disk of the sources, as the system's temporary folder may lie in memory. */
export async function workFolder(): Promise<WorkFolder> {
  const cache = resolve(import.meta.dirname, "..", "..", ".cache", "bench");
  await mkdir(cache, { recursive: true });
  const path = await mkdtemp(join(cache, "work-"));
  return { path, close: () => rm(path, { recursive: true, force: true }) };
}

export async function startService(): Promise<Service> {
  const work = await workFolder();
  const folder = work.path;
  const root = join(folder, "root");
  await mkdir(root);
  const port = await freePort();
  const moorline = await startMoorline({
    pools: [{ name: "default", endpoints: [], kv: { profile: PROFILE } }],
    kv: {
      listen: `127.0.0.1:${port}`,
      catalog: { path: join(folder, "catalog") },
      locations: [{ id: "disk", root, naming: "flat", capacityBytes: 2 ** 40 }],
      verify: { quietMs: 1 },
    },
  });
  return {
    port,
    pid: moorline.child.pid,
    client: createClient({ url: `http://127.0.0.1:${port}` }),
    root,
    folder,
    close: async () => {
      await moorline.close();
      await work.close();
    },
  };
}

/** One that a turn reserved. */
export interface Reserved {
  readonly turn: string;
  readonly segment: string;
  readonly session: string;
  readonly promptTokens: number;
  readonly file: string;
  readonly kvStart: number;
  readonly tokens: number;
}

/** Of the tokens after those that the session has already. */
export async function reserve(
  { client }: Service,
  session: string,
  promptTokens: number,
): Promise<Reserved> {
  await client.POST("/v1/sessions", { body: { id: session, model: "bench" } });
  const params = { path: { id: session } };
  const body = { prompt: promptOf(session, promptTokens), max_new_tokens: 0, engine: ENGINE };
  const { data, error } = await client.POST("/v1/sessions/{id}/plan", { params, body });
  const [fresh] = data?.fresh_kv_cache ?? [];
  if (data?.turn == null || fresh === undefined) throw refused("plan", error ?? data);
  return {
    turn: data.turn,
    segment: `${data.turn}.0`,
    session,
    promptTokens,
    file: fresh.kv_uri,
    kvStart: fresh.kv_start,
    tokens: fresh.token_length,
  };
}

/** All of it, as an engine that has written it would. Resolves when it is listed. */
export async function commit({ client }: Service, reserved: Reserved): Promise<void> {
  const { turn, session, promptTokens, tokens } = reserved;
  const { data, error } = await client.POST("/v1/turns/{turn}/commit", {
    params: { path: { turn }, query: { wait: "settled" } },
    body: {
      prompt: promptOf(session, promptTokens),
      output_ids: [],
      engine: ENGINE,
      fresh_kv_cache: [
        {
          token_start: promptTokens - tokens,
          token_length: tokens,
          kv_uri: reserved.file,
          kv_start: reserved.kvStart,
        },
      ],
    },
  });
  if (data?.listed.length !== 1) throw refused("commit", error ?? data);
}

/** Nothing of it is kept. */
export async function abort({ client }: Service, { turn }: Reserved): Promise<void> {
  await client.POST("/v1/turns/{turn}/abort", { params: { path: { turn } }, body: {} });
}

/** The head of a request that puts these bytes there, without any of them. */
export function putHead(
  { segment }: Pick<Reserved, "segment">,
  { bytes, crc }: { readonly bytes: number; readonly crc: number },
): string {
  return [
    `PUT /v1/segments/${segment}/bytes?durable=true HTTP/1.1`,
    "host: bench",
    "connection: close",
    "content-type: application/octet-stream",
    `content-length: ${bytes}`,
    `x-moorline-crc32: ${crc.toString(16).padStart(8, "0")}`,
    "\r\n",
  ].join("\r\n");
}

/** Those of one session begin alike, those of others have nothing in common. */
function promptOf(session: string, tokens: number) {
  const ids = Array.from({ length: tokens }, (_, at) => at);
  return { kind: "engine" as const, ids, extra_key: session };
}

function refused(what: string, answer: unknown): Error {
  return new Error(`${what} was refused: ${JSON.stringify(answer)}`);
}
