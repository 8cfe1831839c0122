/** A verifier that reads, for benches in which no engine is slow. */
import { crc32 } from "node:zlib";

import type { Verdict } from "../../src/kv/catalog.ts";
import { LocationFault } from "../../src/kv/location.ts";
import type {
  Recheck,
  SegmentVerifier,
  StoredSegment,
} from "../../src/kv/verify/segment-verifier.ts";

/** Finds whole what has the CRC that it had; asks no engine and waits for nothing. */
export class ReadingVerifier implements SegmentVerifier {
  rechecks = 0;
  /** From this token on, the store fails. */
  unreadableFrom = Infinity;
  /** Answers in place of a reading; where it answers nothing, there is one. */
  verdict: (() => Promise<Verdict | undefined>) | undefined;

  async verify(stored: StoredSegment): Promise<Verdict> {
    const verdict = await this.verdict?.();
    if (verdict !== undefined) return verdict;
    const found = await stored.location.stat(stored.segment.file.name);
    const crc = await crcOf(stored);
    if (found === undefined || found instanceof LocationFault || crc === undefined) {
      return { kind: "dropped", reason: "unverified" };
    }
    return { kind: "durable", crc, stat: found };
  }

  async recheck(stored: StoredSegment): Promise<Recheck> {
    this.rechecks += 1;
    if (stored.segment.tokenStart >= this.unreadableFrom) {
      return { kind: "unreadable", reason: "io" };
    }
    const found = await stored.location.stat(stored.segment.file.name);
    if (found instanceof LocationFault) return { kind: "unreadable", reason: "io" };
    if (found === undefined) return { kind: "damaged", reason: "missing" };
    const crc = await crcOf(stored);
    if (crc === undefined) return { kind: "damaged", reason: "truncated" };
    if (crc !== stored.segment.crc) return { kind: "damaged", reason: "crc" };
    return { kind: "ok", stat: found };
  }

  async close(): Promise<void> {}
}

async function crcOf({ segment, location }: StoredSegment): Promise<number | undefined> {
  const bytes = new Uint8Array(segment.bytes);
  const fault = await location.readInto(segment.file.name, segment.kvStart, bytes);
  return fault === undefined ? crc32(bytes) : undefined;
}
