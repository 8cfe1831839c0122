/**
 * Writes Envoy's view of one pool: an EDS file (one ClusterLoadAssignment, the cluster named like the pool), replaced
 * atomically, so that Envoy's `path_config_source` never reads half of it. One file per pool: an EDS cluster rejects a
 * file that holds more than one assignment.
 *
 * Every listed endpoint is a member whatever its health, because Moorline picks the endpoint: an `override_host` cluster
 * reaches a member of any health status, and what is no member is silently served elsewhere, which would be the first
 * request after each recovery. The status is for Envoy's fallback policy alone, which then uses only what is `ready`; Envoy
 * takes in a change of status after up to a second (`update_merge_window`), and one of membership at once.
 */
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { PoolSnapshot } from "../affinity/pool-snapshot.ts";
import type { Cancel, Scheduler } from "../clock.ts";
import type { Endpoint } from "./endpoint.ts";

export interface EdsFileOptions {
  readonly path: string;
  readonly scheduler: Scheduler;
  readonly observer: EdsFileObserver;
}

export interface EdsFileObserver {
  written(path: string): void;
  /** The file is as it was. It is tried again with the next change, and after a while without one. */
  failed(path: string, error: Error): void;
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;

/** `{pool}` in the configured path stands for the pool's name. */
export function edsPath(template: string, pool: string): string {
  return template.replaceAll("{pool}", () => pool);
}

export class EdsFile {
  readonly #options: EdsFileOptions;
  /** What the file should hold; undefined before the first snapshot. */
  #wanted: EdsDocument | undefined;
  /** What was last written, to leave the file alone when nothing that Envoy sees has changed. */
  #writtenAssignment: string | undefined;
  /** Set while a write is in flight; there is never a second one. */
  #writing: Promise<void> | undefined;
  #retryMs = FIRST_RETRY_MS;
  #cancelRetry: Cancel | undefined;
  #isClosed = false;
  readonly #firstWrite = Promise.withResolvers<void>();

  constructor(options: EdsFileOptions) {
    this.#options = options;
  }

  /** Takes the newest snapshot and returns at once. Snapshots that come during a write are written as one. */
  publish(snapshot: PoolSnapshot): void {
    this.#wanted = renderSnapshot(snapshot);
    this.#writeLatest();
  }

  /** Resolves when the file has been written for the first time: from then on Envoy can start. */
  written(): Promise<void> {
    return this.#firstWrite.promise;
  }

  /** Resolves when nothing is being written: what was published before is in the file, or was reported as failed. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** Finishes the write in flight and starts no other. The file stays. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry?.();
    await this.#writing;
  }

  /** What there is to write: undefined when the file is as it should be, and for ever once closed. */
  get #due(): EdsDocument | undefined {
    if (this.#isClosed || this.#wanted?.assignment === this.#writtenAssignment) return undefined;
    return this.#wanted;
  }

  #writeLatest(): void {
    this.#cancelRetry?.();
    if (this.#due !== undefined) this.#writing ??= this.#writeAllDue();
  }

  /** Never rejects. */
  async #writeAllDue(): Promise<void> {
    const { path, observer } = this.#options;
    try {
      for (let due = this.#due; due !== undefined; due = this.#due) {
        await replaceFile(path, due.text);
        this.#writtenAssignment = due.assignment;
        this.#retryMs = FIRST_RETRY_MS;
        observer.written(path);
        this.#firstWrite.resolve();
      }
    } catch (reason) {
      this.#retryLater();
      observer.failed(path, reason instanceof Error ? reason : new Error(String(reason)));
    } finally {
      this.#writing = undefined;
    }
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    this.#cancelRetry = this.#options.scheduler.after(this.#retryMs, () => this.#writeLatest());
    this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS);
  }
}

interface EdsDocument {
  /** What Envoy acts on; two documents with equal assignments say the same. */
  readonly assignment: string;
  readonly text: string;
}

function renderSnapshot(snapshot: PoolSnapshot): EdsDocument {
  const assignment = JSON.stringify({
    "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    cluster_name: snapshot.name,
    endpoints: [{ lb_endpoints: [...snapshot.byId.values()].map(renderEndpoint) }],
  });
  const version = JSON.stringify(String(snapshot.generation));
  return { assignment, text: `{"version_info":${version},"resources":[${assignment}]}\n` };
}

function renderEndpoint(endpoint: Endpoint): object {
  const { host, port } = endpoint;
  return {
    health_status: healthStatus(endpoint),
    endpoint: { address: { socket_address: { address: host, port_value: port } } },
  };
}

/** Envoy's fallback policy passes by UNHEALTHY and DRAINING. A weight <= 0 asks for no new sessions, so for no strays either. */
function healthStatus({ state, weight }: Endpoint): "HEALTHY" | "DRAINING" | "UNHEALTHY" {
  if (state === "down") return "UNHEALTHY";
  return state === "draining" || weight <= 0 ? "DRAINING" : "HEALTHY";
}

/** The new content appears under the name whole or not at all, and is on disk by then. */
async function replaceFile(path: string, text: string): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const file = await open(draft, "w", 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (reason) {
    await rm(draft, { force: true });
    throw reason;
  }
}
