/**
 * An object that appears whole or not at all: a draft beside it is written, checked and synced, gets the name by a hard link,
 * and loses its own. A rename would do the same in one step, but replaces what has the name already.
 *
 * Killed at any point, this leaves a draft, or the whole object, or both. Failing at any point, it takes back what it made; if
 * even that fails, the same is left as by a kill.
 */
import { LocationFault } from "../location.ts";
import type { Expectation, ObjectStat } from "../location.ts";
import { writeSource } from "./directory-bytes.ts";
import type { Folder } from "./directory-folder.ts";

export interface Put {
  /** Entries of the folder. */
  readonly name: string;
  readonly draft: string;
  readonly source: AsyncIterable<Uint8Array>;
  readonly expect: Expectation;
}

export async function putWhole(
  folder: Folder,
  { name, draft, source, expect }: Put,
): Promise<ObjectStat> {
  // The link would find it as well, but only after all bytes were written.
  if ((await folder.stat(name)) !== undefined) {
    throw new LocationFault("exists", "an object has that name");
  }
  await folder.create(draft, async (file) => {
    await writeSource(file, { offset: 0, source, expect });
    await file.sync();
  });
  let isLinked = false;
  try {
    await folder.link(draft, name);
    isLinked = true;
    await folder.unlink(draft);
    await folder.sync();
    const stat = await folder.stat(name);
    if (stat === undefined)
      throw new LocationFault("not_found", "the object was removed meanwhile");
    return stat;
  } catch (reason) {
    if (isLinked) await folder.unlink(name).catch(() => false);
    await folder.unlink(draft).catch(() => false);
    throw reason;
  }
}
