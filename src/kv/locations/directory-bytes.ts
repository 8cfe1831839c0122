/**
 * Bytes out of and into an open file.
 *
 * Out: two buffers, used in turn; while the consumer has one, the other is being filled. With chunks of 1 MiB that is
 * 3 to 4 GB/s from the page cache, where a stream of Node's with its defaults gives 0.7: the cost is per chunk, in trips to
 * the thread pool, and not per byte. In: one chunk at a time, its checksum computed while it is being written.
 */
import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";

import { isWithin, LocationFault } from "../location.ts";
import type { ByteRange, Expectation, ObjectStat } from "../location.ts";
import { SourceFailure } from "./directory-faults.ts";

/** Smaller chunks cost speed, larger ones only memory: two of them are held per read. */
const CHUNK_BYTES = 1024 * 1024;

/** Reads ranges one after the other into whatever buffers come. */
export class RangeReader {
  readonly #file: FileHandle;
  /** What is still to be read; the first one begins where the last read ended. */
  readonly #remaining: ByteRange[];

  constructor(file: FileHandle, ranges: readonly ByteRange[]) {
    this.#file = file;
    this.#remaining = ranges.filter(({ length }) => length > 0).toReversed();
  }

  get bytes(): number {
    return this.#remaining.reduce((sum, { length }) => sum + length, 0);
  }

  /** Returns how many bytes of the buffer it filled: all of them, or fewer at the end of the last range. */
  async fill(buffer: Uint8Array): Promise<number> {
    let filled = 0;
    for (let range = this.#remaining.pop(); range !== undefined; range = this.#remaining.pop()) {
      const wanted = Math.min(range.length, buffer.length - filled);
      if (wanted === 0) {
        this.#remaining.push(range);
        break;
      }
      const { bytesRead } = await this.#file.read(buffer, filled, wanted, range.offset);
      if (bytesRead === 0) {
        throw new LocationFault("out_of_range", `the object ends before byte ${range.offset}`);
      }
      filled += bytesRead;
      if (bytesRead === range.length) continue;
      this.#remaining.push({
        offset: range.offset + bytesRead,
        length: range.length - bytesRead,
      });
    }
    return filled;
  }
}

/**
 * Lends chunk after chunk, each until the next is asked for. A consumer that leaves early leaves one read in flight, which the
 * file waits for when it is closed.
 */
export async function* readAhead(reader: RangeReader): AsyncGenerator<Uint8Array, void> {
  const bytes = reader.bytes;
  const chunkBytes = Math.min(bytes, CHUNK_BYTES);
  let filling = Buffer.allocUnsafeSlow(chunkBytes);
  let lent = bytes > chunkBytes ? Buffer.allocUnsafeSlow(chunkBytes) : filling;
  let filled = reader.fill(filling);
  for (let length = await filled; length > 0; length = await filled) {
    [lent, filling] = [filling, lent];
    filled = reader.fill(filling);
    filled.catch(() => undefined); // met when the next chunk is asked for, which may be long after it failed
    yield lent.subarray(0, length);
  }
}

export interface SourceWrite {
  readonly offset: number;
  readonly source: AsyncIterable<Uint8Array>;
  readonly expect: Expectation;
}

/** Writes what the source gives from `offset` on. Throws the fault `mismatch` unless it is what was expected. */
export async function writeSource(
  file: FileHandle,
  { offset, source, expect }: SourceWrite,
): Promise<void> {
  let bytes = 0;
  let crc = 0;
  for await (const chunk of guarded(source)) {
    if (bytes + chunk.length > expect.bytes) {
      throw new LocationFault("mismatch", `more than the ${expect.bytes} bytes expected`);
    }
    const written = writeWhole(file, chunk, offset + bytes);
    crc = crc32(chunk, crc);
    bytes += chunk.length;
    await written;
  }
  if (bytes !== expect.bytes) {
    throw new LocationFault("mismatch", `${bytes} bytes, expected were ${expect.bytes}`);
  }
  if (crc !== expect.crc) {
    throw new LocationFault("mismatch", `the CRC-32 is ${crc}, expected was ${expect.crc}`);
  }
}

async function writeWhole(file: FileHandle, chunk: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, offset + done);
    done += bytesWritten;
  }
}

async function* guarded(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  try {
    yield* source;
  } catch (reason) {
    throw new SourceFailure("the source failed", { cause: reason });
  }
}

export function assertWithin(stat: ObjectStat, ranges: readonly ByteRange[]): void {
  const outside = ranges.find((range) => !isWithin(range, stat.sizeBytes));
  if (outside === undefined) return;
  const { offset, length } = outside;
  const message = `the object has ${stat.sizeBytes} bytes, not ${length} from ${offset} on`;
  throw new LocationFault("out_of_range", message);
}
