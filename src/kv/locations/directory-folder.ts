/**
 * Folders under a root, opened so that no link is ever followed below it.
 *
 * O_NOFOLLOW guards the last part of a path only, and Node has no openat. Linux has `/proc/self/fd/N/entry`, which is the same:
 * each folder is opened from the descriptor of the one above, and what is done in it names the descriptor, not the path, so a
 * folder that is swapped for a link at any moment leads nowhere. Elsewhere the path itself is used: a link that is there is
 * refused, one that is swapped in within microseconds is not, which is enough for a developer's machine.
 *
 * Folders are opened anew for each use (a few calls for two levels): kept open, they would be thousands of descriptors, and
 * would go on working in a folder that an operator has long removed.
 */
import { constants } from "node:fs";
import type { BigIntStats, StatsFs } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";

import { AppError } from "../../errors.ts";
import { LocationFault } from "../location.ts";
import type { ObjectStat } from "../location.ts";
import { faultCode } from "./directory-faults.ts";
import type { FolderPath } from "./directory-naming.ts";
import { Turnstile } from "../turnstile.ts";

/** The calls of `node:fs/promises` that a directory location makes, so that a test can fail each one. */
export interface FileSystem {
  open(path: string, flags: number, mode?: number): Promise<FileHandle>;
  mkdir(path: string, mode: number): Promise<unknown>;
  link(path: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  lstat(path: string, options: { bigint: true }): Promise<BigIntStats>;
  readdir(path: string): Promise<string[]>;
  statfs(path: string): Promise<StatsFs>;
}

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Without O_NONBLOCK, opening a planted pipe would hold a thread for ever. On files it does nothing. */
const FILE_FLAGS = O_NOFOLLOW | O_NONBLOCK;

export interface FolderTreeOptions {
  readonly fs: FileSystem;
  /** Must be there. May be a link itself: that is the operator's choice. */
  readonly root: string;
  /** Of files, whatever the umask; folders get the same with the right to enter for those who may read. */
  readonly fileMode: number;
}

/**
 * Uses at a time, each of up to three descriptors. More would be no faster, since a few threads do all of the work, and a burst
 * of thousands would meet the process's limit of open files.
 */
const USES_LIMIT = 64;

export class FolderTree {
  readonly #root: Folder;
  readonly #turnstile = new Turnstile(USES_LIMIT);
  /** What uses a folder now. The root's descriptor must outlive all of it: its number may be another file's afterwards. */
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(root: Folder) {
    this.#root = root;
  }

  static async open(options: FolderTreeOptions): Promise<FolderTree> {
    const handle = await options.fs.open(options.root, O_RDONLY | O_DIRECTORY);
    return new FolderTree(new Folder(options, handle, options.root));
  }

  /**
   * Runs the task with the folder, which is made if it is `missing` and that says so, and answers when the task is over: the folder
   * is closed after. It may have to wait for others, so it is for what ends by itself.
   */
  use<T>(path: FolderPath, missing: Missing, task: Task<T>): Promise<T> {
    return this.#run(task, (noted) =>
      this.#turnstile.run(() => this.#within(this.#root, path, { missing, task: noted })),
    );
  }

  /** The same for what lasts as long as somebody else takes: nobody waits for it, and it waits for nobody. */
  hold<T>(path: FolderPath, missing: Missing, task: Task<T>): Promise<T> {
    return this.#run(task, (noted) => this.#within(this.#root, path, { missing, task: noted }));
  }

  /** The same with two folders. */
  holdBoth<T>(first: FolderUse, second: FolderUse, task: PairTask<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const both = (one: Folder): Promise<void> =>
      this.#within(this.#root, second.path, {
        missing: second.missing,
        task: async (other) => resolve(await task(one, other)),
      });
    this.hold(first.path, first.missing, both).catch(reject);
    return promise;
  }

  #run<T>(task: Task<T>, use: (noted: Task<void>) => Promise<void>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (this.#closing !== undefined) reject(new AppError("internal", "the location is closed"));
    else {
      const running = use(async (folder) => resolve(await task(folder))).catch(reject);
      this.#running.add(running);
      void running.then(() => this.#running.delete(running));
    }
    return promise;
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all(this.#running).then(() => this.#root.close());
    return this.#closing;
  }

  async #within(parent: Folder, path: FolderPath, use: Use): Promise<void> {
    const [entry, ...rest] = path;
    if (entry === undefined) return this.#inside(parent, use.task);
    const folder = await parent.openFolder(entry, use.missing);
    try {
      await this.#within(folder, rest, use);
    } finally {
      await folder.close();
    }
  }

  async #inside(folder: Folder, task: Task<void>): Promise<void> {
    try {
      await task(folder);
    } finally {
      await folder.filesClosed();
    }
  }
}

type Task<T> = (folder: Folder) => Promise<T>;
type PairTask<T> = (first: Folder, second: Folder) => Promise<T>;

/** What becomes of a folder that is not there. `share`: it is made, and whoever may write beside it may write in it. */
export type Missing = "create" | "share" | "fail";

export interface FolderUse {
  readonly path: FolderPath;
  readonly missing: Missing;
}

interface Use {
  readonly missing: Missing;
  readonly task: Task<void>;
}

/** One open folder. Entries are single names that the caller has checked. */
export class Folder {
  readonly #options: FolderTreeOptions;
  readonly #handle: FileHandle;
  readonly #path: string;
  /** Files that are being closed. */
  readonly #closing = new Set<Promise<void>>();

  constructor(options: FolderTreeOptions, handle: FileHandle, path: string) {
    this.#options = options;
    this.#handle = handle;
    this.#path = process.platform === "linux" ? `/proc/self/fd/${handle.fd}` : path;
  }

  get #fs(): FileSystem {
    return this.#options.fs;
  }

  async openFolder(entry: string, missing: Missing): Promise<Folder> {
    try {
      return await this.#openFolder(entry);
    } catch (reason) {
      if (missing === "fail" || faultCode(reason) !== "not_found") throw reason;
    }
    return this.#createFolder(entry, missing);
  }

  /** Makes a file that nobody had, with our mode, and closes it when it is filled. Fails without a trace. */
  async create<T>(entry: string, fill: (file: FileHandle) => Promise<T>): Promise<T> {
    const mode = this.#options.fileMode;
    const flags = FILE_FLAGS | O_RDWR | O_CREAT | O_EXCL;
    const file = await this.#fs.open(this.#at(entry), flags, mode);
    try {
      try {
        await file.chmod(mode); // the umask has taken its share
        return await fill(file);
      } finally {
        await file.close();
      }
    } catch (reason) {
      await this.unlink(entry).catch(() => false);
      throw reason;
    }
  }

  /** A plain file that is there, or the fault `not_ours`. */
  async openFile(entry: string, access: "read" | "write"): Promise<OpenFile> {
    const flags = FILE_FLAGS | (access === "read" ? O_RDONLY : O_RDWR);
    const file = await this.#fs.open(this.#at(entry), flags);
    try {
      return { file, stat: await statOf(file) };
    } catch (reason) {
      await file.close();
      throw reason;
    }
  }

  /** Undefined when there is none. */
  async stat(entry: string): Promise<ObjectStat | undefined> {
    const stat = await this.#lstat(entry);
    return stat && readStat(stat);
  }

  /** When the file, its names or its mode changed last, by the store's clock. Undefined when there is none. */
  async changedAtMs(entry: string): Promise<number | undefined> {
    const stat = await this.#lstat(entry);
    return stat && Number(stat.ctimeMs);
  }

  /** Gives a file a second name, which must be free. A link is not followed. */
  link(entry: string, to: string, into: Folder = this): Promise<void> {
    return this.#fs.link(this.#at(entry), into.#at(to));
  }

  /** True if there was one. A link is removed, and what it points to is not. */
  async unlink(entry: string): Promise<boolean> {
    try {
      await this.#fs.unlink(this.#at(entry));
      return true;
    } catch (reason) {
      if (faultCode(reason) === "not_found") return false;
      throw reason;
    }
  }

  /** In an order that is the same each time. */
  async entries(): Promise<string[]> {
    return (await this.#fs.readdir(this.#path)).toSorted();
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize, blocks } = await this.#fs.statfs(this.#path);
    return blocks === 0 ? Infinity : bavail * bsize; // a tmpfs without a size limit says 0 of 0
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  /** For a file that nothing was written to through this descriptor, so that nothing can be lost with it: nobody waits for it. */
  closeFile(file: FileHandle): void {
    const closing = file.close().catch(() => undefined);
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }

  /** Of those by `closeFile`. */
  async filesClosed(): Promise<void> {
    await Promise.all(this.#closing);
  }

  /** Never rejects: nothing was written through this descriptor, so nothing can be lost with it. */
  close(): Promise<void> {
    return this.#handle.close().catch(() => undefined);
  }

  #at(entry: string): string {
    return join(this.#path, entry);
  }

  async #lstat(entry: string): Promise<BigIntStats | undefined> {
    try {
      return assertPlain(await this.#fs.lstat(this.#at(entry), { bigint: true }));
    } catch (reason) {
      if (faultCode(reason) === "not_found") return undefined;
      throw reason;
    }
  }

  async #openFolder(entry: string): Promise<Folder> {
    const path = this.#at(entry);
    const handle = await this.#fs.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return new Folder(this.#options, handle, path);
  }

  async #createFolder(entry: string, missing: Missing): Promise<Folder> {
    const { fileMode } = this.#options;
    const shared = missing === "share" ? (await this.#handle.stat()).mode & fileMode & 0o222 : 0;
    const mode = folderMode(fileMode) | shared;
    try {
      await this.#fs.mkdir(this.#at(entry), mode);
    } catch (reason) {
      if (faultCode(reason) !== "exists") throw reason;
      return this.#openFolder(entry); // somebody was faster
    }
    const folder = await this.#openFolder(entry);
    try {
      const { mode: given } = await folder.#handle.stat();
      await folder.#handle.chmod((given & 0o7000) | mode); // keeps an inherited setgid
      await this.sync();
      return folder;
    } catch (reason) {
      await folder.close();
      throw reason;
    }
  }
}

/** The caller closes the file. */
export interface OpenFile {
  readonly file: FileHandle;
  /** As it was when it was opened. */
  readonly stat: ObjectStat;
}

export async function statOf(file: FileHandle): Promise<ObjectStat> {
  return readStat(assertPlain(await file.stat({ bigint: true })));
}

/** Throws the fault `not_ours` for anything but a plain file. */
function assertPlain(stat: BigIntStats): BigIntStats {
  if (stat.isFile()) return stat;
  throw new LocationFault("not_ours", "no plain file");
}

/** Bigint for the nanoseconds. */
function readStat(stat: BigIntStats): ObjectStat {
  return {
    sizeBytes: Number(stat.size),
    identity: `${stat.dev.toString(36)}:${stat.ino.toString(36)}`,
    content: `${stat.mtimeNs.toString(36)}:${stat.ctimeNs.toString(36)}`,
    modifiedAtMs: Number(stat.mtimeMs),
  };
}

function folderMode(fileMode: number): number {
  const readers = fileMode & 0o444;
  return 0o700 | readers | (readers >> 2);
}
