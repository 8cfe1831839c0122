import { readdir } from "node:fs/promises";

/** What every root of a location has of its own. */
export const OWN_ENTRIES: readonly string[] = [".moorline", "staging"];

/** Everything else that lies in a location's root, by name. */
export async function entriesIn(root: string): Promise<string[]> {
  return (await readdir(root)).filter((name) => !OWN_ENTRIES.includes(name)).toSorted();
}
