/**
 * Gives each segment that survives in a mostly unreferenced file an object of its own, so that the file can go. The copy is booked
 * before it is made and listed after it is whole, so a crash at any point leaves a file that the sweep finds.
 */
import type { Catalog } from "../catalog.ts";
import { type Location, LocationFault, type ObjectName, type ObjectStat } from "../location.ts";
import type { FileRef, Segment, SegmentId } from "../records.ts";
import type { CompactableFile, NewObject } from "../space.ts";
import type { CopyResult, KeeperObserver } from "./keeper-observer.ts";

export interface CompactorOptions {
  readonly catalog: Catalog;
  readonly locations: ReadonlyMap<string, Location>;
  readonly observer: Pick<KeeperObserver, "copied">;
  /** Wall clock. */
  readonly nowMs: () => number;
  /** Random, never the same twice: up to 32 letters, digits, `_` and `-`. */
  readonly newName: () => string;
  /** Reads these before others. */
  readonly scrubSoon: (ids: readonly SegmentId[]) => void;
  /** Of one pass; the last segment may exceed it. */
  readonly bytesPerPass: number;
  /** The longest that one copy may take. */
  readonly copyMs: number;
  readonly signal: AbortSignal;
}

export class Compactor {
  readonly #options: CompactorOptions;
  /** The last file that was gone through; undefined before the first of a round. */
  #after: FileRef | undefined;

  constructor(options: CompactorOptions) {
    this.#options = options;
  }

  /** File after file, until the bytes of a pass are spent or a round is over. */
  async pass(): Promise<void> {
    const { catalog, bytesPerPass, signal } = this.#options;
    for (let left = bytesPerPass; left > 0 && !signal.aborted;) {
      const [next] = await catalog.compactable({ after: this.#after, limit: 1 });
      if (next === undefined) {
        this.#after = undefined;
        return;
      }
      left = await this.#empty(next, left);
    }
  }

  /** Moves what is in the file. Answers with what is left of the pass; 0 or less when the file has more. */
  async #empty({ file, segments }: CompactableFile, bytes: number): Promise<number> {
    let left = bytes;
    for (const segment of segments) {
      if (left <= 0 || this.#options.signal.aborted) return 0;
      const result = await this.#copy(segment);
      const { id, bytes: copied } = segment;
      this.#options.observer.copied({
        segment: id,
        location: file.location,
        bytes: copied,
        result,
      });
      left -= copied;
      if (result !== "moved" && result !== "gone") break; // it is met again in the next round
    }
    this.#after = file;
    return left;
  }

  async #copy(segment: Segment): Promise<CopyResult> {
    const { catalog, locations, nowMs, newName, copyMs } = this.#options;
    const location = locations.get(segment.file.location);
    const freeBytes = await location?.freeBytes();
    if (location === undefined || freeBytes === undefined) return "not_found";
    if (freeBytes instanceof LocationFault) return freeBytes.code;
    const { profile: limits } = location;
    const newFile = { location: limits.id, name: newName() as ObjectName, limits, freeBytes };
    const startMs = nowMs();
    const deadlineMs = startMs + copyMs;
    const opened = await catalog.openCopy({
      segment: segment.id,
      newFile,
      nowMs: startMs,
      deadlineMs,
    });
    if (opened === "file_exists") return "exists";
    if (opened !== "opened") return opened;
    const stat = await this.#put(segment, newFile, location);
    if (!(typeof stat === "object")) {
      // Whatever it left has a name that only this copy was given.
      if (stat !== "exists") await this.#giveUp(newFile, location, () => true);
      return stat;
    }
    const { id, file: from } = segment;
    const atMs = nowMs();
    if (await catalog.moveSegment({ segment: id, from, to: newFile, stat, nowMs: atMs })) {
      return "moved";
    }
    await this.#giveUp(newFile, location, ({ identity }) => identity === stat.identity);
    return atMs >= deadlineMs ? "late" : "gone";
  }

  /**
   * Nobody was told of it, so neither it nor its room need wait for the sweep: of one that is tried again in every pass, the room of
   * all that failed within a quarantine would be held. What cannot be removed now is swept.
   */
  async #giveUp(
    copy: NewObject,
    location: Location,
    isIt: (stat: ObjectStat) => boolean,
  ): Promise<void> {
    const removal = await location.removeIf(copy.name, isIt);
    if (removal === "removed" || removal === "absent") await this.#options.catalog.unlinked([copy]);
  }

  /** The copy is read as it is written: other bytes than those of the recorded CRC never get a name. */
  async #put(
    { id, file, kvStart, bytes, crc }: Segment,
    { name }: NewObject,
    location: Location,
  ): Promise<ObjectStat | CopyResult> {
    const source = location.read(file.name, [{ offset: kvStart, length: bytes }]);
    const result = await location.put(name, source, { bytes, crc }).catch(faultThrown);
    if (!(result instanceof LocationFault)) return result;
    if (!UNREADABLE.has(result.code)) return result.code;
    this.#options.scrubSoon([id]);
    return "unreadable";
  }
}

const UNREADABLE: ReadonlySet<string> = new Set(["mismatch", "not_found", "out_of_range"]);

/** What a put's source throws, it throws on. */
function faultThrown(reason: unknown): LocationFault {
  if (reason instanceof LocationFault) return reason;
  throw reason;
}
