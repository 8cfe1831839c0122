import { crc32 } from "node:zlib";

import type { Expectation } from "../../src/kv/location.ts";

/** Bytes that tell their own position: no two aligned words of a test's buffer are equal, and none is zero. */
export function patterned(length: number, seed = 1): Uint8Array {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((seed << 24) + at / 4 + 1, at);
  for (let at = length - (length % 4); at < length; at++) bytes[at] = seed;
  return bytes;
}

export function expectationOf(bytes: Uint8Array): Expectation {
  return { bytes: bytes.length, crc: crc32(bytes) };
}

/** In chunks of the given length, all lent in one buffer that the next chunk overwrites: who keeps one reads the next. */
export async function* lent(bytes: Uint8Array, chunkBytes = 65_536): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(chunkBytes, bytes.length));
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.subarray(at, at + chunkBytes);
    buffer.set(chunk);
    yield buffer.subarray(0, chunk.length);
    buffer.fill(0);
    await Promise.resolve();
  }
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const chunk of chunks) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
}
