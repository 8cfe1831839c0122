/** The configuration of the service that the demo runs: one model, one folder, three tenants, and times that a demo can wait for. */
import { join } from "node:path";

/** Qwen3-8B in bf16, for an engine that loads any number of tokens. */
export const profile = {
  kind: "mha",
  id: "Qwen/Qwen3-8B",
  revision: "main",
  layers: 36,
  kvHeads: 8,
  headDim: 128,
  dtype: "bf16",
  pageSize: 1,
  loadThreshold: 0,
};

const bf16Bytes = 2;
/** Keys and values of every layer. */
export const tokenBytes = 2 * profile.layers * profile.kvHeads * profile.headDim * bf16Bytes;

/** Tenants besides the default one. */
export const reader = "north";
export const stranger = "south";

export const briefClass = { name: "brief", ttlMs: 2_000, maxAgeMs: 60_000 };
/** In production at least the longest request: 15 minutes by default, as is the quarantine, which is no shorter. */
const turnMs = 10_000;
export const quarantineMs = 10_000;

export interface KvPlaces {
  /** For the catalog and the files. */
  readonly folder: string;
  readonly apiPort: number;
  readonly adminPort: number;
}

export function filesIn(folder: string): string {
  return join(folder, "files");
}

/** As in docs/config.md. */
export function kvSettings({ folder, apiPort, adminPort }: KvPlaces): object {
  return {
    pools: [{ name: "default", endpoints: [], kv: { profile } }],
    admin: { listen: `127.0.0.1:${adminPort}` },
    kv: {
      listen: `127.0.0.1:${apiPort}`,
      catalog: { path: join(folder, "catalog") },
      locations: [
        {
          id: "disk",
          root: filesIn(folder),
          naming: "flat", // files are named after their sessions
          capacityBytes: 4 * 1024 ** 3,
          freeFloorBytes: 0,
        },
      ],
      retention: { classes: [{ name: "standard" }, briefClass] },
      // Of both, so that they differ in what is opened to them alone.
      tenants: [reader, stranger].map((name) => ({ name, trusts: [""] })),
      turns: { turnMs, cutAtPrompt: false },
      verify: { quietMs: 100 },
      keeper: { intervalMs: 100, quarantineMs },
    },
  };
}
