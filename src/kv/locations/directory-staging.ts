/**
 * The folder `staging` in a root, where engines save and from where they restore. What is saved there becomes an object, and an object
 * is lent to an engine, by a second name for the same file: nothing is copied. So it has to be on the root's own filesystem, and where
 * the system guards hard links (Linux: `fs.protected_hardlinks`) a file of another user must be writable for us: engines run as our user, or in our group with a umask
 * that leaves it the right to write.
 *
 * Killed at any point, this leaves the staged name, or the object, or both names; the staged one is swept, and what became of the
 * object is the catalog's to know.
 */
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";

import { type Expectation, isSameContent, LocationFault } from "../location.ts";
import type { ObjectName, ObjectStat } from "../location.ts";
import { parseStagedName, type Staged, type StagedName, type Staging } from "../staging.ts";
import { RangeReader, readAhead } from "./directory-bytes.ts";
import { absent, faultCode, faultsAsValues, unlessAbsent } from "./directory-faults.ts";
import { statOf } from "./directory-folder.ts";
import type { Folder, FolderTree, Missing } from "./directory-folder.ts";
import type { RootMarker } from "./directory-marker.ts";
import { draftOf, type Layout, STAGING_FOLDER } from "./directory-naming.ts";

export interface DirectoryStagingOptions {
  readonly root: string;
  readonly profile: { readonly id: string };
  /** Of files. Default 0o660. */
  readonly fileMode?: number;
  /** Wall clock. */
  readonly nowMs: () => number;
  readonly tree: FolderTree;
  readonly layout: Layout;
  readonly marker: RootMarker;
}

export class DirectoryStaging implements Staging {
  readonly path: string;
  readonly #options: DirectoryStagingOptions;

  constructor(options: DirectoryStagingOptions) {
    this.path = join(options.root, STAGING_FOLDER);
    this.#options = options;
  }

  /** So that engines can be started. What keeps it from being made now, as a full device does, the next use will tell. */
  async make(): Promise<void> {
    const { tree } = this.#options;
    const open = async (root: Folder): Promise<void> => {
      await (await root.openFolder(STAGING_FOLDER, "share")).close();
    };
    await faultsAsValues(this.#subject, () => tree.use([], "fail", open));
  }

  /** Gives it our mode as well, if it is our user's. */
  examine(name: StagedName): Promise<Staged | LocationFault> {
    const { fileMode = 0o660 } = this.#options;
    return this.#inStaging(async (staging) => {
      const { file } = await staging.openFile(name, "read");
      try {
        await file.chmod(fileMode).catch(() => undefined); // another user's keeps its own
        const stat = await statOf(file);
        const crc = await crcOf(file, stat.sizeBytes);
        await file.sync();
        const now = await staging.stat(name);
        if (now === undefined || !isSameContent(now, stat)) throw changed();
        return { bytes: stat.sizeBytes, crc, stat };
      } finally {
        await file.close();
      }
    });
  }

  /** Killed in between, it leaves a draft. */
  assess(name: StagedName): Promise<undefined | LocationFault> {
    const object = name.slice(0, name.lastIndexOf(".")) as ObjectName;
    const draft = draftOf(object, "assessed");
    return this.#between(object, "create", async (staging, folder) => {
      await staging.link(name, draft, folder);
      await folder.unlink(draft);
      return undefined;
    });
  }

  adopt(name: StagedName, as: ObjectName, examined: Staged): Promise<ObjectStat | LocationFault> {
    return this.#between(as, "create", async (staging, folder) => {
      const stat = (await staging.stat(name)) ?? absent();
      if (!isSameContent(stat, examined.stat)) throw changed();
      if ((await folder.stat(as)) !== undefined) {
        throw new LocationFault("exists", "an object has that name");
      }
      await linkSame({ folder: staging, name }, { folder, name: as }, stat);
      try {
        await staging.unlink(name);
        await folder.sync();
        await staging.sync();
        return (await folder.stat(as)) ?? absent();
      } catch (reason) {
        await folder.unlink(as).catch(() => false);
        throw reason;
      }
    });
  }

  expose(
    object: ObjectName,
    as: StagedName,
    expect: Expectation,
  ): Promise<undefined | LocationFault> {
    return this.#between(object, "fail", async (staging, folder) => {
      const { file, stat } = await folder.openFile(object, "read");
      try {
        await assertHolds(file, stat, expect);
      } finally {
        await file.close();
      }
      await linkSame({ folder, name: object }, { folder: staging, name: as }, stat);
      return undefined;
    });
  }

  async remove(name: StagedName): Promise<boolean | LocationFault> {
    const removed = await this.#inStaging(async (staging) => {
      if ((await staging.stat(name)) === undefined) return absent();
      return (await staging.unlink(name)) || absent();
    });
    return unlessAbsent(false, removed);
  }

  sweep(olderThanMs: number): Promise<number | LocationFault> {
    const beforeMs = this.#options.nowMs() - olderThanMs;
    return this.#inStaging(async (staging) => {
      let swept = 0;
      for (const name of (await staging.entries()).flatMap((each) => parseStagedName(each) ?? [])) {
        // The time of writing says nothing of a name that an old object was given just now.
        const changedAtMs = await unlessNotOurs(staging.changedAtMs(name));
        if (changedAtMs === undefined || changedAtMs > beforeMs) continue;
        if (await staging.unlink(name)) swept++;
      }
      return swept;
    });
  }

  /** The folder is made again where it has gone: engines save there without asking. */
  #inStaging<T>(task: (staging: Folder) => Promise<T>): Promise<T | LocationFault> {
    const { tree, marker } = this.#options;
    return faultsAsValues(this.#subject, () =>
      marker.inOurs(tree.hold([STAGING_FOLDER], "share", task)),
    );
  }

  #between<T>(
    object: ObjectName,
    missing: Missing,
    task: (staging: Folder, folder: Folder) => Promise<T>,
  ): Promise<T | LocationFault> {
    const { tree, layout, marker } = this.#options;
    const staging = { path: [STAGING_FOLDER], missing: "share" } as const;
    const folder = { path: layout.folderOf(object), missing };
    return faultsAsValues(this.#subject, () => marker.inOurs(tree.holdBoth(staging, folder, task)));
  }

  /** Of what a fault tells. */
  get #subject(): string {
    return `staging of location ${this.#options.profile.id}`;
  }
}

interface Named {
  readonly folder: Folder;
  readonly name: string;
}

/** A second name for the file that was looked at, or none: not for what has come in its place meanwhile. */
async function linkSame(from: Named, to: Named, seen: ObjectStat): Promise<void> {
  await from.folder.link(from.name, to.name, to.folder);
  try {
    const now = await to.folder.stat(to.name);
    // A new name changes what `content` tells, so that cannot be compared.
    const isSame =
      now?.identity === seen.identity &&
      now.sizeBytes === seen.sizeBytes &&
      now.modifiedAtMs === seen.modifiedAtMs;
    if (!isSame) throw changed();
  } catch (reason) {
    await to.folder.unlink(to.name).catch(() => false);
    throw reason;
  }
}

async function assertHolds(
  file: FileHandle,
  { sizeBytes }: ObjectStat,
  expect: Expectation,
): Promise<void> {
  if (sizeBytes !== expect.bytes) {
    throw new LocationFault("mismatch", `${sizeBytes} bytes, expected were ${expect.bytes}`);
  }
  const crc = await crcOf(file, sizeBytes);
  if (crc === expect.crc) return;
  throw new LocationFault("mismatch", `the CRC-32 is ${crc}, expected was ${expect.crc}`);
}

/** Of its first so many bytes, in chunks that hold the event loop for a fraction of a millisecond each. */
async function crcOf(file: FileHandle, bytes: number): Promise<number> {
  let crc = 0;
  try {
    for await (const chunk of readAhead(new RangeReader(file, [{ offset: 0, length: bytes }]))) {
      crc = crc32(chunk, crc);
    }
  } catch (reason) {
    if (reason instanceof LocationFault && reason.code === "out_of_range") throw changed();
    throw reason;
  }
  return crc;
}

/** Undefined for what is no plain file, and not ours to judge. */
async function unlessNotOurs<T>(look: Promise<T>): Promise<T | undefined> {
  try {
    return await look;
  } catch (reason) {
    if (faultCode(reason) !== "not_ours") throw reason;
    return undefined;
  }
}

function changed(): LocationFault {
  return new LocationFault("mismatch", "the file was changed meanwhile");
}
