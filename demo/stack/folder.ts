/** Folders for the files of a child process, removed with this process at the latest. */
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const kept = new Set<string>();

process.once("exit", () => {
  for (const path of kept) rmSync(path, { recursive: true, force: true });
});

export async function createFolder(prefix: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  kept.add(path);
  return path;
}

/** Idempotent. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  kept.delete(path);
}
