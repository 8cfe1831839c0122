/** What an operator would write in Moorline's configuration about computing engines, as in docs/turns.md. */
import { join } from "node:path";
import type { MoorlineSettings } from "../stack/moorline.ts";
import type { ModelShape } from "./model/shape.ts";
import { engineProfile } from "./profile.ts";
import type { EngineLimits } from "./serving/engine.ts";
import { type TokenizerFiles, tokenizerFiles } from "./tokenizer/files.ts";

export interface TurnsPlaces {
  /** Addresses by name. */
  readonly endpoints: ReadonlyMap<string, string>;
  readonly shape: ModelShape;
  readonly limits: Pick<EngineLimits, "pageSize" | "loadThreshold">;
  /** Where they are unless given. */
  readonly tokenizer?: TokenizerFiles;
  /** Of all engines. */
  readonly root: string;
  readonly capacityBytes: number;
  /** The catalog is in it. */
  readonly folder: string;
  /** Of the KV service; 0 takes a free one. */
  readonly apiPort: number;
}

export interface TurnsSettings {
  readonly pools: readonly [{ readonly kv: MoorlineSettings }];
  readonly kv: MoorlineSettings;
}

/** One pool of all engines, whose root is the one location. */
export function turnsSettings(places: TurnsPlaces): TurnsSettings {
  const { endpoints, shape, limits, root, capacityBytes, folder, apiPort } = places;
  const pool = {
    name: "default",
    endpoints: Array.from(endpoints, ([id, address]) => ({ id, address })),
    kv: {
      dialect: "sglang-session",
      tokenizer: places.tokenizer ?? tokenizerFiles,
      profile: engineProfile(shape, limits),
    },
  };
  const location = { id: "disk", root, uriPrefix: "file:///", capacityBytes, freeFloorBytes: 0 };
  return {
    pools: [pool],
    kv: {
      listen: `127.0.0.1:${apiPort}`,
      catalog: { path: join(folder, "catalog") },
      locations: [location],
      verify: { quietMs: 20 },
    },
  };
}
