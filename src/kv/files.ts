/** The rules of the catalog about its files as they are at their locations. */
import type { MaybePromise } from "../affinity/binding-store.ts";
import type { ObjectStat } from "./location.ts";
import type { FileRef, Segment, StoredFile } from "./records.ts";

/**
 * Whether an object under a file's name is that file. A name of random letters is proof enough: they are made here and given to
 * one file only. A session's own name may be anybody's: there it has to be the object that was made, or, since devices may get
 * other numbers when a machine starts, one that has not changed since it was recorded.
 */
export function isOurs({ name, creator, stat }: StoredFile, found: ObjectStat): boolean {
  if (name !== creator) return true;
  if (stat === undefined) return false;
  if (found.identity === stat.identity) return true;
  return found.sizeBytes === stat.sizeBytes && found.content === stat.content;
}

export interface FilesRequest {
  /** The last one of the page before; undefined for the first page. */
  readonly after: FileRef | undefined;
  readonly limit: number;
}

export interface PostponeRequest {
  readonly files: readonly FileRef[];
  readonly nowMs: number;
  /** As of the sweep. */
  readonly quarantineMs: number;
}

export interface FileRules {
  /** What a reservation called for is there now. Known before any engine hears of it where its name may be another's. */
  made(file: FileRef, stat: ObjectStat): Promise<void>;
  /** These, which `sweep` named, could not be removed: all others that are due by now go first. */
  postpone(request: PostponeRequest): Promise<void>;
  /** By location and name. */
  files(request: FilesRequest): MaybePromise<readonly StoredFile[]>;
  /** The durable segments with a copy in a file, each in that copy, by token end, the highest first. */
  segmentsIn(file: FileRef, limit: number): MaybePromise<readonly Segment[]>;
}
