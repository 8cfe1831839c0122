/**
 * One read of all of a segment: its CRC-32, and on the way whether a block was never written. Streams, so that it holds two
 * chunks whatever the segment's size.
 */
import { AppError } from "../../errors.ts";
import { LocationFault } from "../location.ts";
import type { FaultCode, ObjectStat } from "../location.ts";
import type { NonzeroBlocks } from "../model/nonzero-blocks.ts";
import type { ByteProblem, Recheck, StoredSegment } from "./segment-verifier.ts";
import { ZeroBlockSearch } from "./zero-blocks.ts";

/** CRC-32 as in zlib, unsigned, of the bytes after those that `before` is the CRC of. Given by `zlib.crc32`. */
export type Crc32 = (bytes: Uint8Array, before: number) => number;

export type PassProblem = Exclude<ByteProblem, "queue_full">;

/** `stat` is of what was read, from before the first byte of it was. A pass ends at the first `zero_block`. */
export type Pass =
  | { readonly kind: "read"; readonly crc: number; readonly stat: ObjectStat }
  | { readonly kind: "zero_block"; readonly stat: ObjectStat }
  | { readonly kind: "failed"; readonly problem: PassProblem };

export interface PassOptions {
  readonly crc32: Crc32;
  /** Aborted, the pass ends as `closed` at the next chunk. */
  readonly signal: AbortSignal;
  /** Absent: bytes may be anything. */
  readonly blocks?: NonzeroBlocks;
  /** Awaited after each chunk. */
  readonly pace?: (bytes: number) => Promise<void>;
}

export async function readSegment(stored: StoredSegment, options: PassOptions): Promise<Pass> {
  const { segment, location } = stored;
  const range = { offset: segment.kvStart, length: segment.bytes };
  if (options.signal.aborted) return failed("closed");
  const opened: { stat?: ObjectStat } = {};
  const chunks = location.read(segment.file.name, [range], (stat) => (opened.stat = stat));
  try {
    const found = await consume(chunks, options);
    if (found === "closed") return failed(found);
    if (opened.stat === undefined) throw new AppError("internal", "bytes of nobody knows what");
    return { ...found, stat: opened.stat };
  } catch (reason) {
    if (reason instanceof LocationFault) return failed(passProblem(reason));
    throw reason;
  }
}

/** Reads a durable segment, and compares it with what was recorded. */
export async function recheckSegment(
  stored: StoredSegment,
  options: Omit<PassOptions, "blocks">,
): Promise<Recheck> {
  const pass = await readSegment(stored, options);
  if (pass.kind === "failed") return recheckOf(pass.problem);
  if (pass.kind === "read" && pass.crc === stored.segment.crc) {
    return { kind: "ok", stat: pass.stat };
  }
  return { kind: "damaged", reason: "crc" };
}

const PROBLEM_OF: Readonly<Record<FaultCode, PassProblem>> = {
  not_found: "missing",
  out_of_range: "truncated",
  not_ours: "not_ours",
  exists: "io",
  no_space: "io",
  mismatch: "io",
  io: "io",
};

export function passProblem(fault: LocationFault): PassProblem {
  return PROBLEM_OF[fault.code];
}

/** What is not there will not come back: nothing but the engine writes these bytes, and it has. A store that fails may recover. */
export function recheckOf(problem: PassProblem): Recheck {
  if (problem === "io" || problem === "closed") return { kind: "unreadable", reason: problem };
  return { kind: "damaged", reason: problem };
}

function failed(problem: PassProblem): Pass {
  return { kind: "failed", problem };
}

/** But for the stat. */
type Found = { readonly kind: "read"; readonly crc: number } | { readonly kind: "zero_block" };

async function consume(
  chunks: AsyncIterable<Uint8Array>,
  { crc32, signal, blocks, pace }: PassOptions,
): Promise<Found | "closed"> {
  const search = blocks === undefined ? undefined : new ZeroBlockSearch(blocks);
  let crc = 0;
  for await (const chunk of chunks) {
    if (signal.aborted) return "closed";
    if (search?.finds(chunk) === true) return { kind: "zero_block" };
    crc = crc32(chunk, crc);
    if (pace !== undefined) await pace(chunk.length);
  }
  return signal.aborted ? "closed" : { kind: "read", crc };
}
