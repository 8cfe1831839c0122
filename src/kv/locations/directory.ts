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
  type Removal,
} from "../location.ts";
import { assertWithin, RangeReader, readAhead, writeSource } from "./directory-bytes.ts";
import { absent, asFault, faultsAsValues, unlessAbsent } from "./directory-faults.ts";
import { FolderTree, statOf } from "./directory-folder.ts";
import type { FileSystem, Folder, OpenFile } from "./directory-folder.ts";
import { Listing } from "./directory-listing.ts";
import { RootMarker } from "./directory-marker.ts";
import { draftedName, draftOf, Layout } from "./directory-naming.ts";
import type { Naming } from "./directory-naming.ts";
import { putWhole } from "./directory-put.ts";
import { DirectoryStaging } from "./directory-staging.ts";

export interface DirectoryOptions {
  readonly profile: LocationProfile;
  /** Must be there already, so that a disk that is not mounted is an error and not a full root disk. */
  readonly root: string;
  readonly naming: Naming;
  /** What stands for the root in a URI, with the slash at its end: `file:///`. */
  readonly uriPrefix: string;
  /** Of files. Default 0o660. */
  readonly fileMode?: number;
  /** The catalog has files here, so that a root which was never marked as this location's cannot be it. */
  readonly isKnown: boolean;
  /** Wall clock, for the marker. */
  readonly nowMs: () => number;
  /** Tells concurrent drafts of one name apart: unique, up to 64 letters, digits, `_` and `-`. */
  readonly draftId: () => string;
  /** Default Node's own. */
  readonly fs?: FileSystem;
}

/** Fails with `not_found` where there is no such root or not the one that is known, with `not_ours` where it is another's. */
export async function openDirectory(
  options: DirectoryOptions,
): Promise<DirectoryLocation | LocationFault> {
  const { root, fs = nodeFs, fileMode = 0o660, profile, naming, uriPrefix } = options;
  return faultsAsValues(`root ${root}`, async () => {
    const tree = await FolderTree.open({ fs, root, fileMode });
    const layout = new Layout(naming, uriPrefix);
    const hasObjects = (): Promise<boolean> => hasAny(layout, tree);
    try {
      const { id: location, tier } = profile;
      const marker = await RootMarker.claim(tree, { ...options, location, tier, hasObjects });
      const opened = new DirectoryLocation(options, { tree, layout, marker });
      await opened.staging.make();
      return opened;
    } catch (reason) {
      await tree.close();
      throw reason;
    }
  });
}

/** What a location works on. */
interface Root {
  readonly tree: FolderTree;
  readonly layout: Layout;
  readonly marker: RootMarker;
}

/** Of one page, while a root is searched for objects. */
const LOOK_ENTRIES = 1000;

export class DirectoryLocation implements Location {
  readonly profile: LocationProfile;
  readonly staging: DirectoryStaging;
  /** Of what a fault tells. */
  readonly #subject: string;
  readonly #layout: Layout;
  readonly #draftId: () => string;
  readonly #tree: FolderTree;
  readonly #marker: RootMarker;

  constructor(options: DirectoryOptions, { tree, layout, marker }: Root) {
    const { profile, draftId } = options;
    this.profile = profile;
    this.#subject = `location ${profile.id}`;
    this.staging = new DirectoryStaging({ ...options, tree, layout, marker });
    this.#layout = layout;
    this.#draftId = draftId;
    this.#tree = tree;
    this.#marker = marker;
  }

  reserve(name: ObjectName, bytes: number): Promise<ObjectStat | LocationFault> {
    return this.#inSpace(bytes, name, {
      missing: "create",
      task: (folder) =>
        folder.create(name, async (file) => {
          await file.truncate(bytes);
          return statOf(file);
        }),
    });
  }

  extend(name: ObjectName, fromBytes: number, toBytes: number): Promise<LocationFault | undefined> {
    return this.#inSpace(toBytes - fromBytes, name, {
      missing: "fail",
      async task(folder) {
        const { file, stat } = await folder.openFile(name, "write");
        try {
          assertGrows(stat, fromBytes, toBytes);
          await file.truncate(toBytes);
        } finally {
          folder.closeFile(file);
        }
        return undefined;
      },
    });
  }

  async stat(name: ObjectName): Promise<ObjectStat | undefined | LocationFault> {
    return unlessAbsent(
      undefined,
      await this.#in(name, "fail", async (folder) => (await folder.stat(name)) ?? absent()),
    );
  }

  async *read(
    name: ObjectName,
    ranges: readonly ByteRange[],
    opened?: (stat: ObjectStat) => void,
  ): AsyncGenerator<Uint8Array, void> {
    try {
      const { file, stat } = await this.#openToRead(name);
      try {
        opened?.(stat);
        assertWithin(stat, ranges);
        yield* readAhead(new RangeReader(file, ranges));
      } finally {
        await file.close();
      }
    } catch (reason) {
      throw asFault(this.#subject, reason);
    }
  }

  readInto(
    name: ObjectName,
    offset: number,
    target: Uint8Array,
  ): Promise<LocationFault | undefined> {
    return faultsAsValues(this.#subject, async () => {
      const { file, stat } = await this.#openToRead(name);
      const range = { offset, length: target.length };
      try {
        assertWithin(stat, [range]);
        await new RangeReader(file, [range]).fill(target);
        return undefined;
      } finally {
        await file.close();
      }
    });
  }

  writeAt({ name, ...write }: PlacedWrite): Promise<ObjectStat | LocationFault> {
    return this.#filling(name, "fail", (folder) =>
      writing(folder, name, async ({ file, stat }) => {
        assertWithin(stat, [{ offset: write.offset, length: write.expect.bytes }]);
        await writeSource(file, write);
        return statOf(file);
      }),
    );
  }

  sync(name: ObjectName): Promise<ObjectStat | LocationFault> {
    return this.#in(name, "fail", (folder) =>
      writing(folder, name, async ({ file }) => {
        await file.sync();
        await folder.sync();
        return statOf(file);
      }),
    );
  }

  put(
    name: ObjectName,
    source: AsyncIterable<Uint8Array>,
    expect: Expectation,
  ): Promise<ObjectStat | LocationFault> {
    return this.#filling(name, "create", async (folder) => {
      this.#assertSpace(await folder.freeBytes(), expect.bytes);
      const draft = draftOf(name, this.#draftId());
      return putWhole(folder, { name, draft, source, expect });
    });
  }

  async removeIf(
    name: ObjectName,
    isIt: (stat: ObjectStat) => boolean,
  ): Promise<Removal | LocationFault> {
    const removal = await this.#in<Removal>(name, "fail", async (folder) => {
      if (!isIt((await folder.stat(name)) ?? absent())) return "kept";
      return (await folder.unlink(name)) ? "removed" : absent();
    });
    return unlessAbsent("absent", removal);
  }

  async discard(leftover: LeftoverId): Promise<boolean | LocationFault> {
    const name = draftedName(leftover);
    if (name === undefined) return false;
    const unlink = async (folder: Folder) => (await folder.unlink(leftover)) || absent();
    return unlessAbsent(false, await this.#in(name, "fail", unlink));
  }

  list(cursor: string | undefined, limit: number): Promise<ListedPage | LocationFault> {
    const listing = new Listing(this.#layout, this.#tree);
    return faultsAsValues(this.#subject, async () => {
      const page = await listing.page(cursor, limit);
      await this.#marker.assertThere(); // a folder that has gone is an empty one, and the root may be what has gone
      return page;
    });
  }

  freeBytes(): Promise<number | LocationFault> {
    const read = (folder: Folder): Promise<number> => folder.freeBytes();
    return faultsAsValues(this.#subject, () => this.#tree.hold([], "fail", read));
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
    return faultsAsValues(this.#subject, () =>
      this.#marker.inOurs(this.#tree.use(path, missing, task)),
    );
  }

  /** The same, while a source takes as long as it takes. */
  #filling<T>(
    name: ObjectName,
    missing: "create" | "fail",
    task: (folder: Folder) => Promise<T>,
  ): Promise<T | LocationFault> {
    const path = this.#layout.folderOf(name);
    return faultsAsValues(this.#subject, () =>
      this.#marker.inOurs(this.#tree.hold(path, missing, task)),
    );
  }

  #openToRead(name: ObjectName): Promise<OpenFile> {
    const path = this.#layout.folderOf(name);
    return this.#marker.inOurs(
      this.#tree.use(path, "fail", (folder) => folder.openFile(name, "read")),
    );
  }

  /** The same for what takes so many bytes: the device is asked for its room while the folder is opened. */
  async #inSpace<T>(
    bytes: number,
    name: ObjectName,
    { missing, task }: { missing: "create" | "fail"; task: (folder: Folder) => Promise<T> },
  ): Promise<T | LocationFault> {
    const asked = this.freeBytes();
    const used = this.#in(name, missing, async (folder) => {
      const freeBytes = await asked;
      if (freeBytes instanceof LocationFault) throw freeBytes;
      this.#assertSpace(freeBytes, bytes);
      return task(folder);
    });
    await Promise.all([asked, used]); // neither may be left to reject alone
    return used;
  }

  /** The books are the caller's: this sees the device as it is, and what was promised and is not written yet it cannot see. */
  #assertSpace(freeBytes: number, bytes: number): void {
    const refusal = refuseSpace(
      this.profile,
      { bookedBytes: 0, unwrittenBytes: 0, freeBytes },
      bytes,
    );
    if (refusal !== undefined) throw refusal;
  }
}

function assertGrows({ sizeBytes }: ObjectStat, fromBytes: number, toBytes: number): void {
  if (sizeBytes === fromBytes && toBytes >= fromBytes) return;
  const message = `the object has ${sizeBytes} bytes, so not from ${fromBytes} to ${toBytes}`;
  throw new LocationFault("mismatch", message);
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

async function hasAny(layout: Layout, tree: FolderTree): Promise<boolean> {
  let cursor: string | undefined;
  do {
    const page = await new Listing(layout, tree).page(cursor, LOOK_ENTRIES);
    if (page.objects.length + page.leftovers.length > 0) return true;
    cursor = page.next;
  } while (cursor !== undefined);
  return false;
}
