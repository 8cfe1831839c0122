/**
 * Copies parts of a written segment, each into an object of its own, as a segment of those tokens alone. The whole is read again first:
 * the CRCs of the parts are taken from bytes that were those of the verified CRC, and a copy of any others never gets a name.
 */
import type { Catalog } from "../catalog.ts";
import type { CutPart } from "../cuts.ts";
import { type ByteRange, LocationFault, type ObjectName } from "../location.ts";
import { cutExtents, eachExtent } from "../model/extents.ts";
import type { SegmentLayout } from "../model/layout.ts";
import type { Segment } from "../records.ts";
import type { Crc32 } from "../verify/segment-pass.ts";
import type { WrittenSegment } from "../verify/segment-verifier.ts";
import type { NewObject } from "../space.ts";
import { cutSums } from "./cut-sums.ts";
import { askForRoom, type RoomOptions } from "./room.ts";

/** The first tokens of a segment, or those behind the part before. */
export type SegmentCut = Pick<CutPart, "tokenLength" | "chain" | "place">;

export interface AskedCuts {
  readonly cuts: readonly SegmentCut[];
  /** Of the whole. */
  readonly crc: number;
  /** Of the turn. Copies that are not listed by then are swept. */
  readonly deadlineMs: number;
  /** Of its session. */
  readonly priority: number;
}

export interface SegmentCutterOptions extends RoomOptions {
  readonly catalog: Pick<Catalog, "openCut" | "unlinked" | "locationUsage">;
  readonly crc32: Crc32;
  /** Wall clock. */
  readonly nowMs: () => number;
  /** Random, never the same twice: up to 32 letters, digits, `_` and `-`. */
  readonly newName: () => string;
}

export class SegmentCutter {
  readonly #options: SegmentCutterOptions;

  constructor(options: SegmentCutterOptions) {
    this.#options = options;
  }

  /** As many of the parts, from the first on, as could be copied. */
  async cut(written: WrittenSegment, asked: AskedCuts): Promise<readonly CutPart[]> {
    const { cuts, crc } = asked;
    const sums = await this.#sums(written, cuts);
    if (sums?.whole !== crc) return [];
    const parts: CutPart[] = [];
    let start = 0;
    for (const [index, cut] of cuts.entries()) {
      const { tokenLength } = cut;
      const ranges = rangesOf(written, { start, length: tokenLength });
      const copied = await this.#copy(written, { ...asked, ranges, crc: sums.parts[index] ?? 0 });
      if (copied === undefined) break;
      parts.push({ ...cut, ...copied });
      start += tokenLength;
    }
    return parts;
  }

  async #sums({ segment, layout, location }: WrittenSegment, cuts: readonly SegmentCut[]) {
    const { crc32 } = this.#options;
    const whole = [{ offset: segment.kvStart, length: segment.bytes }];
    const chunks = location.read(segment.file.name, whole);
    const lengths = cuts.map(({ tokenLength }) => tokenLength);
    const shape = { layout, tokens: segment.tokenLength, lengths };
    return cutSums(chunks, shape, crc32).catch(undefinedForFault);
  }

  async #copy(
    { segment, location }: WrittenSegment,
    { ranges, crc, deadlineMs, priority }: AskedCopy,
  ): Promise<Pick<CutPart, "file" | "stat" | "crc"> | undefined> {
    const { catalog, nowMs, newName } = this.#options;
    const bytes = ranges.reduce((sum, { length }) => sum + length, 0);
    const freeBytes = await location.freeBytes();
    if (freeBytes instanceof LocationFault) return undefined;
    const { profile: limits } = location;
    const newFile = { location: limits.id, name: newName() as ObjectName, limits, freeBytes };
    const times = { nowMs: nowMs(), deadlineMs };
    const opened = await catalog.openCut({ segment: segment.id, bytes, newFile, ...times });
    if (opened === "no_space") {
      await askForRoom(this.#options, { location: limits, priority, bytes, freeBytes });
    }
    if (opened !== "opened") return undefined;
    const source = location.read(segment.file.name, ranges);
    const stat = await location.put(newFile.name, source, { bytes, crc }).catch(undefinedForFault);
    if (stat === undefined || stat instanceof LocationFault) {
      await this.#giveUp(newFile, location, stat);
      return undefined;
    }
    return { file: { location: newFile.location, name: newFile.name }, stat, crc };
  }

  /** What cannot be removed now is swept. An object that was there before is none of ours. */
  async #giveUp(
    copy: NewObject,
    location: WrittenSegment["location"],
    fault: LocationFault | undefined,
  ): Promise<void> {
    if (fault?.code === "exists") return;
    const removal = await location.removeIf(copy.name, () => true);
    if (removal === "removed" || removal === "absent") await this.#options.catalog.unlinked([copy]);
  }
}

interface AskedCopy extends Pick<AskedCuts, "deadlineMs" | "priority"> {
  readonly ranges: readonly ByteRange[];
  /** Of the bytes in them. */
  readonly crc: number;
}

function rangesOf(
  { segment, layout }: { readonly segment: Segment; readonly layout: SegmentLayout },
  { start, length }: { readonly start: number; readonly length: number },
): ByteRange[] {
  const extents = cutExtents(layout, { segmentTokens: segment.tokenLength, start, length });
  return Array.from(eachExtent(extents), ({ offsetBytes, lengthBytes }) => ({
    offset: segment.kvStart + offsetBytes,
    length: lengthBytes,
  }));
}

/** What a read throws, it throws on; a fault is an answer. */
function undefinedForFault(reason: unknown): undefined {
  if (reason instanceof LocationFault) return undefined;
  throw reason;
}
