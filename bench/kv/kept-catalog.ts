/** Filled catalogs under `.cache`, since a large one takes minutes to fill, for as long as nothing changes that they depend on. */
import { createHash } from "node:crypto";
import { cp, glob, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fillCatalog } from "./filled-catalog.ts";

const root = resolve(import.meta.dirname, "..", "..");
const cache = join(root, ".cache", "bench");
const SOURCES = [
  "bench/kv/filled-catalog.ts",
  "bench/kv/filled-turns.ts",
  "bench/kv/prompts.ts",
  "bench/kv/scale.ts",
  "src/kv/catalog/**/*.ts",
  "src/kv/records.ts",
];
/** From here on they are kept. */
const KEPT_SESSIONS = 10_000;

/** Makes the folder, with a catalog of so many sessions that is the caller's to change. */
export async function copyFilledCatalog(
  path: string,
  sessions: number,
  progress: (text: string) => void,
): Promise<void> {
  if (sessions < KEPT_SESSIONS) return fillCatalog(path, sessions, progress);
  await mkdir(cache, { recursive: true });
  const known = `catalog-${sessions}-`;
  const name = known + (await stampOfSources());
  const others = (await readdir(cache)).filter((entry) => entry.startsWith(known));
  if (!others.includes(name)) {
    progress(`filling a catalog with ${sessions} sessions, which is kept`);
    for (const stale of others) await rm(join(cache, stale), { recursive: true });
    const draft = join(cache, `${name}.new`);
    await fillCatalog(draft, sessions, progress);
    await rename(draft, join(cache, name));
  }
  await cp(join(cache, name), path, { recursive: true });
}

async function stampOfSources(): Promise<string> {
  const hash = createHash("sha256");
  const paths: string[] = [];
  for await (const path of glob(SOURCES, { cwd: root })) paths.push(path);
  for (const path of paths.toSorted()) hash.update(await readFile(join(root, path)));
  return hash.digest("hex").slice(0, 16);
}
