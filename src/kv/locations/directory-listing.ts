/**
 * A walk over all files of a directory location, in pages. The order is that of the sorted paths, and a cursor is the last path
 * looked at, so a page needs nothing from the one before, and what comes or goes meanwhile moves nothing else.
 *
 * A page reads the names in the folders that it touches: for `sharded` some 2,500 each, for `flat` all there are.
 */
import { parseObjectName } from "../location.ts";
import type { Leftover, LeftoverId, ListedObject, ListedPage } from "../location.ts";
import { faultCode } from "./directory-faults.ts";
import type { Folder, FolderTree } from "./directory-folder.ts";
import { isMarker } from "./directory-marker.ts";
import { draftedName, STAGING_FOLDER } from "./directory-naming.ts";
import type { FolderPath, Layout } from "./directory-naming.ts";

/** One page, while it is being filled. */
export class Listing {
  readonly #layout: Layout;
  readonly #tree: FolderTree;
  readonly #objects: ListedObject[] = [];
  readonly #leftovers: Leftover[] = [];
  readonly #foreign: string[] = [];
  /** How many more entries may be looked at. */
  #left = 0;
  /** The last path looked at. */
  #last: FolderPath = [];

  constructor(layout: Layout, tree: FolderTree) {
    this.#layout = layout;
    this.#tree = tree;
  }

  async page(cursor: string | undefined, limit: number): Promise<ListedPage> {
    this.#left = limit;
    const isWhole = await this.#walk([], cursor?.split("/") ?? []);
    return {
      objects: this.#objects,
      leftovers: this.#leftovers,
      foreign: this.#foreign,
      next: isWhole ? undefined : this.#last.join("/"),
    };
  }

  /** Looks at what comes after `after`, a path from this folder on. False when the page was full before the end. */
  #walk(path: FolderPath, after: FolderPath): Promise<boolean> {
    return path.length < this.#layout.depth
      ? this.#walkFolders(path, after)
      : this.#walkFiles(path, after);
  }

  async #walkFolders(path: FolderPath, [first = "", ...rest]: FolderPath): Promise<boolean> {
    const entries = (await this.#within(path, entriesOf)) ?? [];
    for (const entry of entries.filter((name) => name >= first)) {
      const entryPath = [...path, entry];
      if (this.#layout.isFolderName(entry)) {
        if (!(await this.#walk(entryPath, entry === first ? rest : []))) return false;
      } else if (entry !== first) {
        if (!this.#take(entryPath)) return false;
        await this.#passOver(entryPath);
      }
    }
    return true;
  }

  async #walkFiles(path: FolderPath, [first = ""]: FolderPath): Promise<boolean> {
    const isWhole = await this.#within(path, async (folder) => {
      const entries = await entriesOf(folder);
      for (const entry of entries.filter((name) => name > first)) {
        if (!this.#take([...path, entry])) return false;
        await this.#look(folder, path, entry);
      }
      return true;
    });
    return isWhole ?? true;
  }

  /** False when the page is full. */
  #take(path: FolderPath): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    this.#last = path;
    return true;
  }

  async #look(folder: Folder, path: FolderPath, entry: string): Promise<void> {
    const name = parseObjectName(entry);
    const owner = name ?? draftedName(entry);
    const isOurs = owner !== undefined && this.#layout.folderOf(owner).join() === path.join();
    try {
      const stat = isOurs ? await folder.stat(entry) : undefined;
      if (!isOurs) await this.#passOver([...path, entry]);
      else if (stat === undefined) return; // gone since
      else if (name !== undefined) this.#objects.push({ name, stat });
      else this.#leftovers.push({ id: entry as LeftoverId, stat });
    } catch (reason) {
      if (faultCode(reason) !== "not_ours") throw reason;
      await this.#passOver([...path, entry]);
    }
  }

  /** The staging folder is ours, and no object; what else is no object is foreign, and so is what stands in that folder's place. */
  async #passOver(path: FolderPath): Promise<void> {
    const isStaging = path.join() === STAGING_FOLDER;
    if (isStaging && (await this.#within(path, () => Promise.resolve(true))) !== undefined) return;
    if (!isStaging) this.#foreign.push(path.join("/"));
  }

  /** Undefined for a folder that has gone, or that a link or a file has taken the place of, which is then foreign. */
  async #within<T>(path: FolderPath, task: (folder: Folder) => Promise<T>): Promise<T | undefined> {
    try {
      // One folder may be asked for within another.
      return await this.#tree.hold(path, "fail", task);
    } catch (reason) {
      const code = faultCode(reason);
      if (code !== "not_ours" && code !== "not_found") throw reason;
      if (code === "not_ours") this.#foreign.push(path.join("/"));
      return undefined;
    }
  }
}

async function entriesOf(folder: Folder): Promise<string[]> {
  return (await folder.entries()).filter((entry) => !isMarker(entry));
}
