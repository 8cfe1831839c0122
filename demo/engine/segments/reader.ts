/**
 * Reads the bytes of stored segments, from files under a root or with HTTP range requests. What they are is not checked, as real
 * engines do not.
 */
import { open } from "node:fs/promises";
import type { KvSegment } from "../protocol/kv-segments.ts";
import { filePath } from "./file-path.ts";

export interface ReadOptions {
  /** Where `file://` objects are. */
  readonly root: string;
  readonly bytesPerToken: number;
  readonly signal: AbortSignal;
}

export interface LoadedSegment {
  readonly segment: KvSegment;
  readonly bytes: Uint8Array;
}

const HTTP_TIMEOUT_MS = 10_000;

/** All of them, in order. Rejects where one cannot be read, and when the signal says so. A server may give too few bytes. */
export async function readSegments(
  segments: readonly KvSegment[],
  { root, bytesPerToken, signal }: ReadOptions,
): Promise<LoadedSegment[]> {
  return Promise.all(
    segments.map(async (segment) => {
      const { kvUri: uri, kvStart: startBytes, tokenLength } = segment;
      const range = { uri, startBytes, lengthBytes: tokenLength * bytesPerToken };
      const isHttp = /^https?:/.test(uri);
      const bytes = isHttp ? await readHttp(range, signal) : await readFile(root, range);
      return { segment, bytes };
    }),
  );
}

interface ByteRange {
  readonly uri: string;
  readonly startBytes: number;
  readonly lengthBytes: number;
}

async function readFile(root: string, { uri, startBytes, lengthBytes }: ByteRange) {
  const path = filePath(root, uri);
  if (path === undefined) throw new Error(`unknown storage of ${uri}`);
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    // Before the bytes get room: a length from a request could be any.
    if (size < startBytes + lengthBytes) throw new Error(`short read for ${uri}: ${size} bytes`);
    const { buffer, bytesRead } = await file.read({
      buffer: new Uint8Array(lengthBytes),
      position: startBytes,
    });
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function readHttp({ uri, startBytes, lengthBytes }: ByteRange, signal: AbortSignal) {
  const response = await fetch(uri, {
    headers: { range: `bytes=${startBytes}-${startBytes + lengthBytes - 1}` },
    signal: AbortSignal.any([signal, AbortSignal.timeout(HTTP_TIMEOUT_MS)]),
  });
  if (response.status !== 206) {
    await response.body?.cancel();
    throw new Error(`status ${response.status} for a range of ${uri}`);
  }
  return new Uint8Array(await response.arrayBuffer());
}
