/**
 * Reads durable segments of one file with one opening of it. For small ones, to open and close the file costs more than their bytes,
 * and a conversation leaves one or two of them with each turn.
 */
import { AppError } from "../../errors.ts";
import { LocationFault, type ObjectStat } from "../location.ts";
import { type PassOptions, recheckSegment } from "./segment-pass.ts";
import type { Recheck, StoredSegment } from "./segment-verifier.ts";

export interface Rechecked {
  readonly stored: StoredSegment;
  readonly found: Recheck;
}

/**
 * All in one file. Where one read of them all does not show a segment to be whole, it is read alone, as what keeps one of them from
 * being read keeps all.
 */
export async function recheckGroup(
  group: readonly StoredSegment[],
  options: Omit<PassOptions, "blocks">,
): Promise<readonly Rechecked[]> {
  const read = group.length > 1 ? await readGroup(group, options) : undefined;
  const rechecked: Rechecked[] = [];
  for (const [index, stored] of group.entries()) {
    const isWhole = read !== undefined && read.crcs[index] === stored.segment.crc;
    const found: Recheck = isWhole
      ? { kind: "ok", stat: read.stat }
      : await recheckSegment(stored, options);
    rechecked.push({ stored, found });
  }
  return rechecked;
}

interface GroupRead {
  /** Of the segments, in their order. */
  readonly crcs: readonly number[];
  /** From before the first byte was read. */
  readonly stat: ObjectStat;
}

/** Undefined where not all could be read. */
async function readGroup(
  group: readonly StoredSegment[],
  { crc32, signal, pace }: Omit<PassOptions, "blocks">,
): Promise<GroupRead | undefined> {
  const [first] = group;
  if (first === undefined) throw new AppError("internal", "a file was to be read for nothing");
  const ranges = group.map(({ segment: { kvStart: offset, bytes: length } }) => ({
    offset,
    length,
  }));
  const opened: { stat?: ObjectStat } = {};
  const crcs: number[] = [];
  let crc = 0;
  let left = first.segment.bytes;
  const add = (chunk: Uint8Array): void => {
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + left);
      crc = crc32(piece, crc);
      at += piece.length;
      left -= piece.length;
      if (left > 0) continue;
      crcs.push(crc);
      crc = 0;
      left = ranges[crcs.length]?.length ?? Infinity;
    }
  };
  const { name } = first.segment.file;
  try {
    for await (const chunk of first.location.read(name, ranges, (stat) => (opened.stat = stat))) {
      if (signal.aborted) return undefined;
      add(chunk);
      if (pace !== undefined) await pace(chunk.length);
    }
  } catch (reason) {
    if (reason instanceof LocationFault) return undefined;
    throw reason;
  }
  return opened.stat === undefined ? undefined : { crcs, stat: opened.stat };
}
