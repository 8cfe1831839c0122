/**
 * Which path and which URI a name has under the root. Both ways are total: a path or URI is ours only if it is exactly what
 * its name leads to, so no text from outside ever becomes a path.
 *
 * `sharded` puts a name into one of 64 x 64 folders by 12 bits of its CRC-32: 10 million objects are about 2,440 to a folder,
 * and 40 million about 9,800, with no folder above 64 entries on the way. More folders would only cost inodes.
 * `flat` keeps everything in the root, as the engine's own example does; it is for up to about 10,000 sessions.
 */
import { crc32 } from "node:zlib";

import { parseObjectName } from "../location.ts";
import type { LeftoverId, ObjectName } from "../location.ts";

export type Naming = "sharded" | "flat";

/** A folder's path from the root, one entry per level. */
export type FolderPath = readonly string[];

/** Beside the objects or their folders; no folder of objects has the name. In `flat`, it keeps an object from having it. */
export const STAGING_FOLDER = "staging";

/** A draft of `s-1` is `.s-1.<id>.part`: no object name starts with a dot. */
const DRAFT = /^\.(?<name>[^/]+)\.[A-Za-z0-9_-]{1,64}\.part$/;

const SHARD = /^[0-3][0-9a-f]$/;

export class Layout {
  readonly #naming: Naming;
  readonly #uriPrefix: string;

  constructor(naming: Naming, uriPrefix: string) {
    this.#naming = naming;
    this.#uriPrefix = uriPrefix;
  }

  /** How many folders lie between the root and a file. */
  get depth(): number {
    return this.#naming === "sharded" ? 2 : 0;
  }

  folderOf(name: ObjectName): FolderPath {
    if (this.#naming === "flat") return [];
    const hash = crc32(name);
    return [shard(hash >>> 6), shard(hash)];
  }

  /** True for the names that folders between the root and a file have. */
  isFolderName(entry: string): boolean {
    return SHARD.test(entry);
  }

  uri(name: ObjectName): string {
    return this.#uriPrefix + [...this.folderOf(name), name].join("/");
  }

  nameOf(uri: string): ObjectName | undefined {
    const name = parseObjectName(uri.slice(uri.lastIndexOf("/") + 1));
    return name !== undefined && this.uri(name) === uri ? name : undefined;
  }
}

export function draftOf(name: ObjectName, id: string): LeftoverId {
  return `.${name}.${id}.part` as LeftoverId;
}

/** The name whose draft this entry is; undefined if it is none. */
export function draftedName(entry: string): ObjectName | undefined {
  const name = DRAFT.exec(entry)?.groups?.["name"];
  return name === undefined ? undefined : parseObjectName(name);
}

function shard(bits: number): string {
  return (bits & 63).toString(16).padStart(2, "0");
}
