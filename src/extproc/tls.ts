/**
 * TLS material from files, replaced while running: the folders of the files are watched, because a certificate is renewed by a
 * rename (certbot, a Kubernetes secret), which a watch on the file itself would miss. New files are used only when certificate
 * and key fit together; until then, and for ever if they never do, the last good ones stay. Open connections keep theirs.
 */
import { X509Certificate } from "node:crypto";
import { watch } from "node:fs";
import type { FSWatcher } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { createSecureContext } from "node:tls";
import type { Cancel, Scheduler } from "../clock.ts";
import { AppError } from "../errors.ts";

/** A renewal replaces several files one after the other: wait until they have been quiet for this long. */
const QUIET_MS = 100;

export interface TlsPaths {
  /** PEM: the server's certificate, then its intermediates. */
  readonly certFile: string;
  readonly keyFile: string;
  /** PEM: with it, every client must show a certificate that one of these authorities signed (mTLS). */
  readonly clientCaFile?: string | undefined;
}

export interface TlsFilesOptions {
  readonly scheduler: Scheduler;
  /** `tls_invalid`: new files cannot be used, told once for each cause; the last good ones stay. */
  onError(error: AppError): void;
}

export interface TlsContext {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
}

/** Rejects with `tls_invalid` when the files cannot be used now: a server does not start without its certificate. */
export async function openTlsFiles(paths: TlsPaths, options: TlsFilesOptions): Promise<TlsFiles> {
  return new TlsFiles(paths, await readContext(paths), options);
}

export class TlsFiles {
  readonly isClientCertRequired: boolean;
  readonly #paths: TlsPaths;
  readonly #options: TlsFilesOptions;
  readonly #watchers: readonly FSWatcher[];
  readonly #listeners = new Set<(context: TlsContext) => void>();
  #current: TlsContext;
  /** The text of the last error since the last good files: the same one is told once. */
  #lastError: string | undefined;
  #cancelReload: Cancel = () => {};
  /** Reads follow each other, so that an older one never overwrites a newer one. */
  #reading: Promise<void> = Promise.resolve();

  constructor(paths: TlsPaths, context: TlsContext, options: TlsFilesOptions) {
    this.isClientCertRequired = paths.clientCaFile !== undefined;
    this.#paths = paths;
    this.#options = options;
    this.#current = context;
    const folders = new Set(filesOf(paths).map((file) => dirname(file)));
    this.#watchers = [...folders].map((folder) => this.#watch(folder));
  }

  /** The last good files. */
  get current(): TlsContext {
    return this.#current;
  }

  /** Calls `listener` with each new good content, until the returned function is called. */
  subscribe(listener: (context: TlsContext) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops watching. Idempotent. */
  async close(): Promise<void> {
    this.#cancelReload();
    for (const watcher of this.#watchers) watcher.close();
    await this.#reading;
  }

  #watch(folder: string): FSWatcher {
    const watcher = watch(folder, { persistent: false }, () => {
      this.#cancelReload();
      this.#cancelReload = this.#options.scheduler.after(QUIET_MS, () => {
        this.#reading = this.#reading.then(() => this.#reload());
      });
    });
    return watcher.on("error", (cause) => {
      this.#options.onError(new AppError("tls_invalid", `cannot watch ${folder}`, { cause }));
    });
  }

  async #reload(): Promise<void> {
    try {
      const context = await readContext(this.#paths);
      this.#lastError = undefined;
      if (isSame(context, this.#current)) return;
      this.#current = context;
      for (const listener of this.#listeners) listener(context);
    } catch (reason) {
      const error = AppError.from(reason);
      if (error.message === this.#lastError) return;
      this.#lastError = error.message;
      this.#options.onError(error);
    }
  }
}

/** Rejects with `tls_invalid`, naming the file, unless certificate, key and authorities can serve together. */
async function readContext(paths: TlsPaths): Promise<TlsContext> {
  try {
    const [cert, key, ca] = await Promise.all(filesOf(paths).map((file) => readFile(file)));
    if (cert === undefined || key === undefined)
      throw new Error("certFile and keyFile are required");
    const context: TlsContext = { cert, key, ca };
    createSecureContext(context);
    // Authorities that are no certificates would be skipped without a word, and then refuse every client.
    if (ca !== undefined) new X509Certificate(ca);
    return context;
  } catch (cause) {
    const files = filesOf(paths).join(", ");
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("tls_invalid", `cannot use ${files}: ${text}`, { cause });
  }
}

function filesOf({ certFile, keyFile, clientCaFile }: TlsPaths): readonly string[] {
  return clientCaFile === undefined ? [certFile, keyFile] : [certFile, keyFile, clientCaFile];
}

function isSame(one: TlsContext, other: TlsContext): boolean {
  if (!one.cert.equals(other.cert) || !one.key.equals(other.key)) return false;
  return one.ca === undefined || other.ca === undefined
    ? one.ca === other.ca
    : one.ca.equals(other.ca);
}
