/**
 * Says whether a durable segment is still whole in the copy that it is in, before anybody is told to read it or is sent it. A file is compared by its stat;
 * only where that differs from what was recorded are bytes read again, since a turn that was aborted or stored less than it
 * reserved leaves a stat that differs by right. What was then found whole is remembered, so it is read once for each change.
 *
 * Not seen: what changes after the look, and what changes in place while a reservation is open in the file. Then the engine's own
 * writes move the stat, and only another object or another size gives itself away; the next look after its end reads again.
 */
import { LRUCache } from "lru-cache";

import type { Catalog } from "../catalog.ts";
import {
  isSameContent,
  isSameObject,
  type Location,
  LocationFault,
  type ObjectStat,
} from "../location.ts";
import type { FileRef, Segment, StoredFile } from "../records.ts";
import { passProblem, recheckOf } from "./segment-pass.ts";
import type { Recheck, SegmentVerifier, StoredSegment } from "./segment-verifier.ts";

export interface SegmentCheckerOptions {
  readonly catalog: Pick<Catalog, "file">;
  readonly verifier: Pick<SegmentVerifier, "recheck">;
}

/** Of one file, for all segments in it. */
export interface FileLook {
  readonly file: StoredFile | undefined;
  readonly stat: ObjectStat | undefined | LocationFault;
}

/** Copies in files whose recorded stat no longer holds. One that falls out is read again. */
const RECHECKED_LIMIT = 100_000;

export class SegmentChecker {
  readonly #options: SegmentCheckerOptions;
  /** As a copy's file was when the segment was found whole in it. */
  readonly #rechecked = new LRUCache<string, ObjectStat>({ max: RECHECKED_LIMIT });
  /** By copy and by how its file looked before. Who sees it look so still, asks nothing else. */
  readonly #running = new Map<string, Promise<Recheck>>();

  constructor(options: SegmentCheckerOptions) {
    this.#options = options;
  }

  /** Costs one stat. */
  async look(ref: FileRef, location: Location): Promise<FileLook> {
    // The file's record first: an extension between the two makes the stat larger than the record, which costs a read only.
    const file = await this.#options.catalog.file(ref);
    return { file, stat: await location.stat(ref.name) };
  }

  /** The look is at the segment's file. Reads the segment if the file is not as it was. Rejects for a bug only. */
  async check(stored: StoredSegment, { file, stat }: FileLook): Promise<Recheck> {
    if (stat === undefined) return { kind: "damaged", reason: "missing" };
    if (stat instanceof LocationFault) return recheckOf(passProblem(stat));
    const { segment } = stored;
    if (file !== undefined && this.#isAsKnown(segment, file, stat)) return { kind: "ok", stat };
    const key = [nameOf(segment), stat.identity, stat.sizeBytes, stat.content].join("\0");
    const running = this.#running.get(key) ?? this.reread(stored);
    this.#running.set(key, running);
    return running.finally(() => this.#running.delete(key));
  }

  /** Whatever the file looks like. */
  async reread(stored: StoredSegment): Promise<Recheck> {
    const found = await this.#options.verifier.recheck(stored);
    if (found.kind === "ok") this.#rechecked.set(nameOf(stored.segment), found.stat);
    return found;
  }

  #isAsKnown(segment: Segment, file: StoredFile, stat: ObjectStat): boolean {
    const { stat: recorded, openReservations, highWaterBytes } = file;
    const rechecked = this.#rechecked.get(nameOf(segment));
    if (rechecked !== undefined && isSameContent(stat, rechecked)) return true;
    if (recorded === undefined) return false;
    if (openReservations === 0) return isSameContent(stat, recorded);
    // While an engine may write, bytes change by right, and the size is what the reservations made it.
    return isSameObject(stat, { ...recorded, sizeBytes: highWaterBytes });
  }
}

/** Of one copy. */
function nameOf({ id, file }: Segment): string {
  return [id, file.location, file.name].join("\0");
}
