/** A location's disk that comes and goes, as the location's open descriptor of the root sees it. */
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";

/** All that lies in the root, its mark too, is gone until the answer is called. */
export async function unmount(root: string): Promise<() => Promise<void>> {
  const away = `${root}-away`;
  await mkdir(away);
  await moveAll(root, away);
  return () => moveAll(away, root);
}

async function moveAll(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) await rename(join(from, name), join(to, name));
}
