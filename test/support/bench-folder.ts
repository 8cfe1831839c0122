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

/** All that the options ask for. */
export async function openFolders(
  options: Pick<BenchOptions, "fs" | "fileNames" | "diskBytes" | "memoryBytes" | "sites">,
  root: string,
): Promise<readonly DirectoryLocation[]> {
  const { diskBytes = 2 ** 40, memoryBytes, sites } = options;
  const disk = { tier: "disk", root, capacityBytes: diskBytes } as const;
  const opened: DirectoryLocation[] = [];
  if (memoryBytes !== undefined) {
    const memory = { root, tier: "memory", capacityBytes: memoryBytes } as const;
    opened.push(await openFolder(options, { ...memory, id: "memory", folder: "memory/" }));
  }
  for (const { id, tier = "disk", capacityBytes = diskBytes } of sites ?? []) {
    const folder = `${id}/`;
    opened.push(await openFolder(options, { root, tier, capacityBytes, id, folder }));
  }
  if (sites === undefined) {
    opened.push(await openFolder(options, { ...disk, id: "disk", folder: "" }));
  }
  return opened;
}

/** The one disk is the root itself; all else are folders in it, as under one engine root. */
async function openFolder(
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
