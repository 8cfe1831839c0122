/** The directories of a turn bench. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import type { Tier } from "../../src/kv/location.ts";
import { type DirectoryLocation, openDirectory } from "../../src/kv/locations/directory.ts";
import { ok } from "./location-results.ts";
import type { BenchOptions } from "./turn-bench.ts";

interface FolderOptions {
  readonly root: string;
  /** Below the root. */
  readonly folder: string;
  readonly id: string;
  readonly tier: Tier;
  readonly capacityBytes: number;
}

/** The one disk is the root itself; all else are folders in it, as under one engine root. */
export async function openFolder(
  { fs, fileNames }: Pick<BenchOptions, "fs" | "fileNames">,
  { root, folder, id, tier, capacityBytes }: FolderOptions,
): Promise<DirectoryLocation> {
  await mkdir(join(root, folder), { recursive: true });
  return ok(
    await openDirectory({
      profile: { id, tier, weight: 1, capacityBytes, freeFloorBytes: 0 },
      root: join(root, folder),
      naming: fileNames === "random" ? "sharded" : "flat",
      uriPrefix: `file:///${folder}`,
      isKnown: false,
      nowMs: () => 1_000_000,
      draftId: () => "draft",
      ...(fs === undefined ? {} : { fs }),
    }),
  );
}
