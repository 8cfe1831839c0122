/**
 * A stand-in for an engine's storage thread, and nothing more of an engine: it computes no cache. It writes random bytes where a plan
 * says, remembers their digests, and reads what a plan lists.
 */
import { createHash, randomFillSync } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { PlannedSegment } from "./narration.ts";
import { tokenBytes } from "./settings.ts";

const root = "file:///";

export class Writer {
  /** The identity of the process that writes, which a plan and its commit carry. */
  readonly instance = `writer-${process.pid}`;
  readonly #files: string;
  readonly #digests = new Map<string, string>();

  /** `files`: the folder that is seen as `file:///`. */
  constructor(files: string) {
    this.#files = files;
  }

  /** Fills what was reserved. The files must be there; none is made or made larger. */
  async store(fresh: readonly PlannedSegment[]): Promise<void> {
    for (const segment of fresh) {
      const bytes = randomFillSync(Buffer.allocUnsafe(segment.token_length * tokenBytes));
      await this.#withFile(segment, "r+", (file) =>
        file.write(bytes, 0, bytes.length, segment.kv_start),
      );
      this.#digests.set(placeOf(segment), digestOf(bytes));
    }
  }

  /** Whether what is listed is, byte for byte, what was written there. */
  async loads(stored: readonly PlannedSegment[]): Promise<boolean> {
    const loaded = await Promise.all(stored.map(async (segment) => this.#read(segment)));
    return stored.every((segment, at) => {
      const bytes = loaded[at];
      return bytes !== undefined && digestOf(bytes) === this.#digests.get(placeOf(segment));
    });
  }

  async #read(segment: PlannedSegment): Promise<Buffer> {
    const bytes = Buffer.alloc(segment.token_length * tokenBytes);
    await this.#withFile(segment, "r", (file) =>
      file.read(bytes, 0, bytes.length, segment.kv_start),
    );
    return bytes;
  }

  async #withFile(
    { kv_uri: uri }: PlannedSegment,
    flags: "r" | "r+",
    use: (file: Awaited<ReturnType<typeof open>>) => Promise<unknown>,
  ): Promise<void> {
    const file = await open(this.pathOf(uri), flags);
    try {
      await use(file);
    } finally {
      await file.close();
    }
  }

  pathOf(uri: string): string {
    if (!uri.startsWith(root)) throw new Error(`${uri} is not below ${root}`);
    return join(this.#files, uri.slice(root.length));
  }
}

function placeOf({ kv_uri, kv_start, token_length }: PlannedSegment): string {
  return `${kv_uri} ${kv_start} ${token_length}`;
}

function digestOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
