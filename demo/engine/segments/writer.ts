/**
 * Writes fresh segments in place into files that are there already, in the background: one turn's after the other's, of a turn one
 * segment after the other, of a segment one extent after the other. Whoever waits for an answer never waits for this. A write that
 * fails is counted and given up, as in the engines; what of it was written stays.
 */
import { open } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { filePath } from "./file-path.ts";

export interface WriteJob {
  readonly segments: readonly SegmentBytes[];
}

export interface SegmentBytes {
  readonly uri: string;
  readonly startBytes: number;
  readonly bytes: Uint8Array;
  /** Each plane of the segment is one extent. */
  readonly extentBytes: number;
}

/** How writing is made worse than it is, for tests. */
export interface WriteBehaviour {
  /** Between the answer and the first byte, or until another behaviour is set. */
  readonly writeDelayMs: number;
  /** After each extent. */
  readonly stallMs: number;
  readonly death: Death | undefined;
}

/** The process ends itself when so many eighths of the bytes of its so many-th write are written. */
export interface Death {
  /** From 1, counted from when this was set. */
  readonly write: number;
  /** 0 to 8. */
  readonly eighths: number;
}

export interface SegmentWriterOptions {
  readonly root: string;
  /** SIGKILL to this process, unless a test has something else in mind. Does not return. */
  readonly die: () => never;
}

export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #behaviour: WriteBehaviour = { writeDelayMs: 0, stallMs: 0, death: undefined };
  /** Aborted when another one is set. */
  #behaving = new AbortController();
  /** Settles when all that was given has been written; never rejects. */
  #written: Promise<void> = Promise.resolve();
  /** Since the behaviour was set. */
  #writes = 0;
  #pending = 0;
  #failed = 0;

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
  }

  get behaviour(): WriteBehaviour {
    return this.#behaviour;
  }

  set behaviour(behaviour: WriteBehaviour) {
    this.#behaviour = behaviour;
    this.#writes = 0;
    this.#behaving.abort();
    this.#behaving = new AbortController();
  }

  /** Turns that are not written yet. */
  get pending(): number {
    return this.#pending;
  }

  get failed(): number {
    return this.#failed;
  }

  /** Returns at once. The bytes must not change any more. */
  add(job: WriteJob): void {
    this.#pending += 1;
    this.#written = this.#written
      .then(async () => this.#write(job))
      .catch(() => void (this.#failed += 1))
      .finally(() => (this.#pending -= 1));
  }

  /** Resolves when what was given before is written or given up. */
  async idle(): Promise<void> {
    await this.#written;
  }

  async #write({ segments }: WriteJob): Promise<void> {
    this.#writes += 1;
    const { writeDelayMs, death } = this.#behaviour;
    const total = segments.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const isFatal = death?.write === this.#writes;
    const life: Life = { leftBytes: isFatal ? Math.floor((total * death.eighths) / 8) : Infinity };
    await this.#delay(writeDelayMs);
    this.#endAt(life);
    for (const segment of segments) await this.#writeSegment(segment, life);
  }

  async #delay(ms: number): Promise<void> {
    const { signal } = this.#behaving;
    try {
      await pause(ms, undefined, { signal });
    } catch (reason) {
      if (!signal.aborted) throw reason;
    }
  }

  async #writeSegment(segment: SegmentBytes, life: Life): Promise<void> {
    const { uri, startBytes, bytes, extentBytes } = segment;
    const path = filePath(this.#options.root, uri);
    if (path === undefined) throw new Error(`unknown storage of ${uri}`);
    const file = await open(path, "r+"); // an engine makes no file
    try {
      for (let at = 0; at < bytes.length; at += extentBytes) {
        const end = Math.min(at + extentBytes, at + life.leftBytes, bytes.length);
        await file.write(bytes, at, end - at, startBytes + at);
        life.leftBytes -= end - at;
        this.#endAt(life);
        if (this.#behaviour.stallMs > 0) await pause(this.#behaviour.stallMs);
      }
    } finally {
      await file.close();
    }
  }

  #endAt({ leftBytes }: Life): void {
    if (leftBytes <= 0) this.#options.die();
  }
}

interface Life {
  leftBytes: number;
}
