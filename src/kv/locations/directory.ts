/**
 * A directory as a location. On a tmpfs it is the memory tier; on a mount that engines share, they read and write the same files.
 *
 * Engines run as another user: files are 0660 and folders 0750 whatever the umask, so the root belongs to a group that the
 * engines are in, with setgid, and they can write what was reserved for them but make and remove nothing.
 *
 * A put writes a draft beside the object, syncs it, and gives it the name by a hard link, because a rename would replace what
 * is there. What a crash leaves of it is a draft, which `list` reports.
 */
import * as nodeFs from "node:fs/promises";

import {
  isWithin,
  LocationFault,
  refuseSpace,
  type ByteRange,
  type Expectation,
  type LeftoverId,
  type ListedPage,
  type Location,
  type LocationProfile,
  type ObjectName,
  type ObjectStat,
  type PlacedWrite,
} from "../location.ts";
import { RangeReader, readAhead, writeSource } from "./directory-bytes.ts";
import { asFault, faultsAsValues } from "./directory-faults.ts";
import { FolderTree, statOf } from "./directory-folder.ts";
import type { FileSystem, Folder, OpenFile } from "./directory-folder.ts";
import { Listing } from "./directory-listing.ts";
import { draftedName, draftOf, Layout } from "./directory-naming.ts";
import type { Naming } from "./directory-naming.ts";
import { putWhole } from "./directory-put.ts";

export interface DirectoryOptions {
  readonly profile: LocationProfile;
  /** Must be there already, so that a disk that is not mounted is an error and not a full root disk. */
  readonly root: string;
  readonly naming: Naming;
  /** What stands for the root in a URI, with the slash at its end: `file:///`. */
  readonly uriPrefix: string;
  /** Of files. Default 0o660. */
  readonly fileMode?: number;
  /** Tells concurrent drafts of one name apart: unique, up to 64 letters, digits, `_` and `-`. */
  readonly draftId: () => string;
  /** Default Node's own. */
  readonly fs?: FileSystem;
}

/** Fails with `not_found` where there is no such root, with `not_ours` where it is no folder. */
export async function openDirectory(
  options: DirectoryOptions,
): Promise<DirectoryLocation | LocationFault> {
  const { root, fs = nodeFs, fileMode = 0o660 } = options;
  return faultsAsValues(`root ${root}`, async () => {
    const tree = await FolderTree.open({ fs, root, fileMode });
    return new DirectoryLocation(options, tree);
  });
}

export class DirectoryLocation implements Location {
  readonly profile: LocationProfile;
  readonly #layout: Layout;
  readonly #draftId: () => string;
  readonly #tree: FolderTree;

  constructor({ profile, naming, uriPrefix, draftId }: DirectoryOptions, tree: FolderTree) {
    this.profile = profile;
    this.#layout = new Layout(naming, uriPrefix);
    this.#draftId = draftId;
    this.#tree = tree;
  }

  reserve(name: ObjectName, bytes: number): Promise<ObjectStat | LocationFault> {
    return this.#in(name, "create", async (folder) => {
      await this.#assertSpace(folder, bytes);
      return folder.create(name, async (file) => {
        await file.truncate(bytes);
        return statOf(name, file);
      });
    });
  }

  extend(
    name: ObjectName,
    fromBytes: number,
    toBytes: number,
  ): Promise<ObjectStat | LocationFault> {
    return this.#in(name, "fail", async (folder) => {
      await this.#assertSpace(folder, toBytes - fromBytes);
      return writing(folder, name, async ({ file, stat }) => {
        if (stat.sizeBytes !== fromBytes || toBytes < fromBytes) {
          const message = `${name}: has ${stat.sizeBytes} bytes, so not from ${fromBytes} to ${toBytes}`;
          throw new LocationFault("mismatch", message);
        }
        await file.truncate(toBytes);
        return statOf(name, file);
      });
    });
  }

  async stat(name: ObjectName): Promise<ObjectStat | undefined | LocationFault> {
    const found = await this.#in(name, "fail", (folder) => folder.stat(name));
    return found instanceof LocationFault && found.code === "not_found" ? undefined : found;
  }

  async *read(name: ObjectName, ranges: readonly ByteRange[]): AsyncGenerator<Uint8Array, void> {
    try {
      const { file, stat } = await this.#openToRead(name);
      try {
        assertWithin(name, stat, ranges);
        yield* readAhead(new RangeReader(file, ranges));
      } finally {
        await file.close();
      }
    } catch (reason) {
      throw asFault(name, reason);
    }
  }

  readInto(
    name: ObjectName,
    offset: number,
    target: Uint8Array,
  ): Promise<LocationFault | undefined> {
    return faultsAsValues(name, async () => {
      const { file, stat } = await this.#openToRead(name);
      const range = { offset, length: target.length };
      try {
        assertWithin(name, stat, [range]);
        await new RangeReader(file, [range]).fill(target);
        return undefined;
      } finally {
        await file.close();
      }
    });
  }

  writeAt({ name, ...write }: PlacedWrite): Promise<ObjectStat | LocationFault> {
    return this.#in(name, "fail", (folder) =>
      writing(folder, name, async ({ file, stat }) => {
        assertWithin(name, stat, [{ offset: write.offset, length: write.expect.bytes }]);
        await writeSource(file, write);
        return statOf(name, file);
      }),
    );
  }

  sync(name: ObjectName): Promise<ObjectStat | LocationFault> {
    return this.#in(name, "fail", (folder) =>
      writing(folder, name, async ({ file }) => {
        await file.sync();
        await folder.sync();
        return statOf(name, file);
      }),
    );
  }

  put(
    name: ObjectName,
    source: AsyncIterable<Uint8Array>,
    expect: Expectation,
  ): Promise<ObjectStat | LocationFault> {
    return this.#in(name, "create", async (folder) => {
      await this.#assertSpace(folder, expect.bytes);
      const draft = draftOf(name, this.#draftId());
      return putWhole(folder, { name, draft, source, expect });
    });
  }

  remove(name: ObjectName): Promise<boolean | LocationFault> {
    return this.#unlink(name, name);
  }

  async discard(leftover: LeftoverId): Promise<boolean | LocationFault> {
    const name = draftedName(leftover);
    return name === undefined ? false : this.#unlink(name, leftover);
  }

  list(cursor: string | undefined, limit: number): Promise<ListedPage | LocationFault> {
    const listing = new Listing(this.#layout, this.#tree);
    return faultsAsValues("list", () => listing.page(cursor, limit));
  }

  freeBytes(): Promise<number | LocationFault> {
    const read = (folder: Folder): Promise<number> => folder.freeBytes();
    return faultsAsValues("free space", () => this.#tree.use([], "fail", read));
  }

  uri(name: ObjectName): string {
    return this.#layout.uri(name);
  }

  nameOf(uri: string): ObjectName | undefined {
    return this.#layout.nameOf(uri);
  }

  close(): Promise<void> {
    return this.#tree.close();
  }

  /** Runs the task in the name's folder, which is made if it is `missing` and that says so. */
  #in<T>(
    name: ObjectName,
    missing: "create" | "fail",
    task: (folder: Folder) => Promise<T>,
  ): Promise<T | LocationFault> {
    const path = this.#layout.folderOf(name);
    return faultsAsValues(name, () => this.#tree.use(path, missing, task));
  }

  #openToRead(name: ObjectName): Promise<OpenFile> {
    const path = this.#layout.folderOf(name);
    return this.#tree.use(path, "fail", (folder) => folder.openFile(name, "read"));
  }

  async #unlink(name: ObjectName, entry: string): Promise<boolean | LocationFault> {
    const removed = await this.#in(name, "fail", (folder) => folder.unlink(entry));
    return removed instanceof LocationFault && removed.code === "not_found" ? false : removed;
  }

  /** The books are the caller's: this sees the device as it is, and what was promised and is not written yet it cannot see. */
  async #assertSpace(folder: Folder, bytes: number): Promise<void> {
    const books = { bookedBytes: 0, unwrittenBytes: 0, freeBytes: await folder.freeBytes() };
    const refusal = refuseSpace(this.profile, books, bytes);
    if (refusal !== undefined) throw refusal;
  }
}

async function writing<T>(
  folder: Folder,
  name: ObjectName,
  task: (open: OpenFile) => Promise<T>,
): Promise<T> {
  const open = await folder.openFile(name, "write");
  try {
    return await task(open);
  } finally {
    await open.file.close();
  }
}

function assertWithin(name: ObjectName, stat: ObjectStat, ranges: readonly ByteRange[]): void {
  const outside = ranges.find((range) => !isWithin(range, stat.sizeBytes));
  if (outside === undefined) return;
  const { offset, length } = outside;
  const message = `${name}: has ${stat.sizeBytes} bytes, not ${length} from ${offset} on`;
  throw new LocationFault("out_of_range", message);
}
