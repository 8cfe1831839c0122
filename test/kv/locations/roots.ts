/** Directories to test with, and what is in them as the file system sees it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ok } from "../../support/location-results.ts";
import { openDirectory } from "../../../src/kv/locations/directory.ts";
import type { DirectoryLocation, DirectoryOptions } from "../../../src/kv/locations/directory.ts";

export const CAPACITY_BYTES = 2 ** 30;

export async function createRoot(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "moorline-location-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export async function openAt(
  root: string,
  options: Partial<DirectoryOptions> = {},
): Promise<DirectoryLocation> {
  let drafts = 0;
  return ok(
    await openDirectory({
      profile: {
        id: "test",
        tier: "disk",
        weight: 1,
        capacityBytes: CAPACITY_BYTES,
        freeFloorBytes: 0,
      },
      root,
      naming: "sharded",
      uriPrefix: "file:///",
      isKnown: false,
      nowMs: () => 1_000_000,
      draftId: () => `d${++drafts}`,
      ...options,
    }),
  );
}
