/** What the large catalog is about: one model, one tenant, one location, conversations of five turns. */
import { createDigests } from "../../src/digests.ts";
import type { Quota } from "../../src/kv/holders.ts";
import type { LocationProfile } from "../../src/kv/location.ts";
import { geometryKey } from "../../src/kv/model/geometry-key.ts";
import { layoutOf } from "../../src/kv/model/layout.ts";
import type { MhaProfile } from "../../src/kv/model/profile.ts";
import type { Retention } from "../../src/kv/records.ts";

/** A token has few bytes, so that files are as many as in life and not as large; the catalog's work is the same. */
export const PROFILE: MhaProfile = {
  kind: "mha",
  id: "bench",
  revision: "main",
  weightVersion: "default",
  layers: 1,
  kvHeads: 1,
  headDim: 16,
  dtype: "bf16",
  tensorParallel: 1,
  rope: {},
  pageSize: 16,
  loadThreshold: 0,
  loraAdapter: null,
};
export const TOKEN_BYTES = layoutOf(PROFILE).bytesPerToken;
export const GEOMETRY = geometryKey({ profile: PROFILE, chainKind: "engine" }, createDigests());
export const GRID_STEP = 64;

/** Two segments for each turn: the rest of the prompt, and the answer. */
export const CONVERSATION = { turns: 5, pageSize: PROFILE.pageSize } as const;
export const SEGMENTS_PER_SESSION = 2 * CONVERSATION.turns;

export const RETENTION: Retention = {
  name: "standard",
  ttlMs: 3_600_000,
  maxAgeMs: 86_400_000,
  priority: 50,
  pinLimitMs: 0,
  admission: "always",
};
export const PLENTY: Quota = { bytes: 2 ** 50, sessions: 10_000_000, pins: 100 };
export const LOCATION: LocationProfile = {
  id: "disk",
  tier: "disk",
  capacityBytes: 2 ** 50,
  freeFloorBytes: 0,
  weight: 1,
};
export const LOCATIONS: ReadonlySet<string> = new Set([LOCATION.id]);

/** Wall clock at which a run begins: the same each time, since the catalog is from before. */
export const START_MS = 1_800_000_000_000;
