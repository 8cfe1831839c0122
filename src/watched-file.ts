/**
 * A text file that is watched. The directory is watched, not the file: an atomic rename and the symlink swap of a Kubernetes
 * ConfigMap replace what the name points to, and a watch on the old inode would see neither. What an event says is not trusted
 * (names are missing or misleading on some systems): it only means "look". A slow poll finds what no event told: network
 * file systems, exhausted watch limits, a file edited behind a symlink.
 *
 * A changed text counts when two looks in a row agree on it, so that a file caught in the middle of being written in place is
 * never taken for a whole one.
 */
import { watch, type FSWatcher } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Cancel, Scheduler } from "./clock.ts";
import { describeFileFailure } from "./file-failure.ts";

/** What the name led to: a text, or why there is none. */
export type FileContent =
  | { readonly text: string; readonly failure?: undefined }
  | { readonly text?: undefined; readonly failure: string };

export interface WatchedFileOptions {
  readonly path: string;
  /** A larger file is a failure, and is not read. */
  readonly limitBytes: number;
  readonly scheduler: Scheduler;
  /** Told once per distinct content, readable or not, and once per `reload`; one at a time. Must not throw or reject. */
  readonly changed: (content: FileContent) => void | Promise<void>;
  /** From an event to the look at the file, and between the two looks that must agree. Default 100. */
  readonly debounceMs?: number;
  /** Default 5,000. */
  readonly pollMs?: number;
}

export class WatchedFile {
  readonly #options: Required<WatchedFileOptions>;
  #isOpen = false;
  #watcher: FSWatcher | undefined;
  /** Set while a look is due: more events meanwhile add nothing, and cannot put it off. */
  #cancelLook: Cancel | undefined;
  #cancelPoll: Cancel | undefined;
  /** Looks run one after the other, so that an older text never overtakes a newer one. */
  #looking: Promise<void> = Promise.resolve();
  /** What was last told, or opened with. */
  #settledOn: FileContent | undefined;
  /** What the last look saw, if it differs: waits for a second look to agree. */
  #candidate: FileContent | undefined;

  constructor(options: WatchedFileOptions) {
    this.#options = { debounceMs: 100, pollMs: 5_000, ...options };
  }

  /** Watches from now on; `content` is what the caller has read and acts on. */
  open(content: FileContent): void {
    this.#settledOn = content;
    this.#isOpen = true;
    this.#watch();
    this.#pollLater();
  }

  /** Reads the file now and takes it as finished, as an operator's signal says. Never rejects. */
  reload(): Promise<void> {
    return this.#enqueue(async () => this.#act(await this.#read()));
  }

  /** Nothing is told any more. Resolves when what was being told is done. Idempotent. */
  close(): Promise<void> {
    this.#isOpen = false;
    this.#watcher?.close();
    this.#cancelLook?.();
    this.#cancelPoll?.();
    return this.#looking;
  }

  #read(): Promise<FileContent> {
    return readContent(this.#options.path, this.#options.limitBytes);
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    this.#looking = this.#looking.then(() => (this.#isOpen ? task() : undefined));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const content = await this.#read();
    if (isSame(content, this.#settledOn)) {
      this.#candidate = undefined;
    } else if (isSame(content, this.#candidate)) {
      await this.#act(content);
    } else {
      this.#candidate = content;
      this.#lookSoon();
    }
  }

  async #act(content: FileContent): Promise<void> {
    if (!this.#isOpen) return;
    this.#settledOn = content;
    this.#candidate = undefined;
    await this.#options.changed(content);
  }

  #lookSoon(): void {
    if (!this.#isOpen) return;
    this.#cancelLook ??= this.#options.scheduler.after(this.#options.debounceMs, () => {
      this.#cancelLook = undefined;
      void this.#enqueue(() => this.#look());
    });
  }

  #pollLater(): void {
    this.#cancelPoll = this.#options.scheduler.after(this.#options.pollMs, () => {
      this.#watch();
      this.#lookSoon();
      this.#pollLater();
    });
  }

  /** Where the system gives no watch (limit reached, directory gone), the poll alone looks, and asks again each time. */
  #watch(): void {
    if (this.#watcher !== undefined) return;
    try {
      const watcher = watch(dirname(this.#options.path), { persistent: false });
      watcher.on("change", () => this.#lookSoon());
      watcher.on("error", () => {
        watcher.close();
        this.#watcher = undefined;
      });
      this.#watcher = watcher;
    } catch {
      this.#watcher = undefined;
    }
  }
}

/** Reads once, without watching. Never rejects. */
export async function readContent(path: string, limitBytes: number): Promise<FileContent> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return { failure: "is not a regular file" };
    if (found.size > limitBytes) {
      return { failure: `has ${found.size} bytes, at most ${limitBytes} are allowed` };
    }
    return { text: await readFile(path, "utf8") };
  } catch (reason) {
    return { failure: describeFileFailure(reason) };
  }
}

function isSame(a: FileContent, b: FileContent | undefined): boolean {
  return b !== undefined && a.text === b.text && a.failure === b.failure;
}
