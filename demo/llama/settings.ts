/** What an operator would write in Moorline's configuration about llama-servers, as in docs/llama.md. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { MoorlineSettings } from "../stack/moorline.ts";

/** What servers save in, below the root of their location. */
export function stagingFolder(root: string): string {
  return join(root, "staging");
}

export interface LlamaPlaces {
  /** Addresses by name. */
  readonly endpoints: ReadonlyMap<string, string>;
  /** Of the one location. */
  readonly root: string;
  readonly capacityBytes: number;
  /** The catalog is in it. */
  readonly folder: string;
  /** Of the KV service; 0 takes a free one. */
  readonly apiPort: number;
  /** Of `pools[].kv.slots`. */
  readonly slots?: MoorlineSettings;
}

export interface LlamaSettings {
  readonly pools: readonly MoorlineSettings[];
  readonly kv: MoorlineSettings;
}

/** One pool of all servers, which save on one location. */
export function llamaSettings(places: LlamaPlaces): LlamaSettings {
  const { endpoints, root, capacityBytes, folder, apiPort, slots = {} } = places;
  const pool = {
    name: "default",
    endpoints: Array.from(endpoints, ([id, address]) => ({ id, address })),
    kv: { dialect: "llamacpp-slots", slots: { minTokens: 32, ...slots } },
  };
  const location = { id: "shared", root, uriPrefix: "file:///", capacityBytes, freeFloorBytes: 0 };
  return {
    pools: [pool],
    kv: {
      listen: `127.0.0.1:${apiPort}`,
      catalog: { path: join(folder, "catalog") },
      locations: [location],
    },
  };
}

/** Makes the root and its staging folder, which a server must find when it starts. */
export async function makeRoot(root: string): Promise<void> {
  await mkdir(stagingFolder(root), { recursive: true });
}
