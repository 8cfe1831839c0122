/**
 * An endpoints file that is watched. The directory is watched, not the file: an atomic rename and the symlink swap of a
 * Kubernetes ConfigMap replace what the name points to, and a watch on the old inode would see neither. What an event says
 * is not trusted (names are missing or misleading on some systems): it only means "look". A slow poll finds what no event
 * told: network file systems, exhausted watch limits, a file edited behind a symlink.
 *
 * A changed text counts when two looks in a row agree on it, so that a file caught in the middle of being written in place
 * does not lose half of the endpoints for a moment.
 */
import { watch, type FSWatcher } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Cancel, Scheduler } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import type { EndpointSpec } from "../endpoint.ts";
import type { Discovery, PublishEndpoints } from "./discovery.ts";
import { endpointsInvalid, parseEndpointsDocument } from "./endpoints-document.ts";

export const MAX_ENDPOINTS_FILE_BYTES = 1024 * 1024;

export interface FileDiscoveryOptions {
  readonly path: string;
  readonly scheduler: Scheduler;
  /** The file cannot be used and the last good list stays: once per distinct content, and once per `reload`. */
  readonly rejected: (error: AppError) => void;
  /** From an event to the look at the file, and between the two looks that must agree. Default 100. */
  readonly debounceMs?: number;
  /** Default 5,000. */
  readonly pollMs?: number;
}

/** Reads it once, without watching. Throws `endpoints_invalid` that lists every problem. */
export async function readEndpointsFile(path: string): Promise<readonly EndpointSpec[]> {
  return parseContent(await readContent(path), path);
}

export class FileDiscovery implements Discovery {
  readonly #options: Required<FileDiscoveryOptions>;
  /** Set while started and not closed. */
  #publish: PublishEndpoints | undefined;
  #watcher: FSWatcher | undefined;
  /** Set while a look is due: more events meanwhile add nothing, and cannot put it off. */
  #cancelLook: Cancel | undefined;
  #cancelPoll: Cancel | undefined;
  /** Looks run one after the other, so that an older text never overtakes a newer one. */
  #looking: Promise<void> = Promise.resolve();
  /** What was last acted on, good or bad. */
  #settledOn: Content | undefined;
  /** What the last look saw, if it differs: waits for a second look to agree. */
  #candidate: Content | undefined;

  constructor(options: FileDiscoveryOptions) {
    this.#options = { debounceMs: 100, pollMs: 5_000, ...options };
  }

  async start(publish: PublishEndpoints): Promise<void> {
    const content = await readContent(this.#options.path);
    const endpoints = parseContent(content, this.#options.path);
    this.#settledOn = content;
    this.#publish = publish;
    this.#watch();
    this.#pollLater();
    publish(endpoints);
  }

  /** Reads the file now and takes it as finished, as an operator's signal says. Never rejects. */
  reload(): Promise<void> {
    return this.#enqueue(async () => this.#act(await readContent(this.#options.path)));
  }

  close(): Promise<void> {
    this.#publish = undefined;
    this.#watcher?.close();
    this.#cancelLook?.();
    this.#cancelPoll?.();
    return this.#looking;
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    this.#looking = this.#looking.then(() => (this.#publish === undefined ? undefined : task()));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const content = await readContent(this.#options.path);
    if (isSame(content, this.#settledOn)) {
      this.#candidate = undefined;
    } else if (isSame(content, this.#candidate)) {
      this.#act(content);
    } else {
      this.#candidate = content;
      this.#lookSoon();
    }
  }

  #act(content: Content): void {
    if (this.#publish === undefined) return;
    this.#settledOn = content;
    this.#candidate = undefined;
    let endpoints: readonly EndpointSpec[];
    try {
      endpoints = parseContent(content, this.#options.path);
    } catch (reason) {
      this.#options.rejected(AppError.from(reason));
      return;
    }
    this.#publish(endpoints);
  }

  #lookSoon(): void {
    if (this.#publish === undefined) return;
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

/** What the name led to: a text, or why there is none. */
type Content =
  | { readonly text: string; readonly failure?: undefined }
  | { readonly text?: undefined; readonly failure: string };

function isSame(a: Content, b: Content | undefined): boolean {
  return b !== undefined && a.text === b.text && a.failure === b.failure;
}

function parseContent(content: Content, path: string): readonly EndpointSpec[] {
  if (content.text === undefined) throw endpointsInvalid(path, [content.failure]);
  return parseEndpointsDocument(content.text, path);
}

async function readContent(path: string): Promise<Content> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return { failure: "is not a regular file" };
    if (found.size > MAX_ENDPOINTS_FILE_BYTES) {
      return {
        failure: `has ${found.size} bytes, at most ${MAX_ENDPOINTS_FILE_BYTES} are allowed`,
      };
    }
    return { text: await readFile(path, "utf8") };
  } catch (reason) {
    return { failure: reason instanceof Error ? reason.message : String(reason) };
  }
}
