/** What is written into segments: one block again and again, without a zero, so that both ends know it without sending it first. */
import { crc32 } from "node:zlib";

export const BLOCK_BYTES = 1024 * 1024;

export function bodyBlock(): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at < BLOCK_BYTES; at += 1) block[at] = 1 + ((at * 31) % 251);
  return block;
}

/** Of so many bytes, whole blocks. */
export function bodyCrc(bytes: number): number {
  const block = bodyBlock();
  let crc = 0;
  for (let sent = 0; sent < bytes; sent += BLOCK_BYTES) crc = crc32(block, crc);
  return crc;
}
