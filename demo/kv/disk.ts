import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

const blockBytes = 512;

/** What the files of a folder take of the disk: what is reserved and not written takes nothing. */
export async function diskUse(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).blocks),
  );
  return sizes.reduce((sum, blocks) => sum + blocks, 0) * blockBytes;
}
