/** An endpoints file that is watched; what cannot be used leaves the last good list in force. */
import type { Scheduler } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import { readContent, WatchedFile, type FileContent } from "../../watched-file.ts";
import type { EndpointSpec } from "../endpoint.ts";
import type { Discovery, PublishEndpoints } from "./discovery.ts";
import { endpointsInvalid, parseEndpointsDocument } from "./endpoints-document.ts";

export const MAX_ENDPOINTS_FILE_BYTES = 1024 * 1024;

export interface FileDiscoveryOptions {
  readonly path: string;
  readonly scheduler: Scheduler;
  /** The file cannot be used and the last good list stays: once per distinct content, and once per `reload`. */
  readonly rejected: (error: AppError) => void;
  /** As in WatchedFile. */
  readonly debounceMs?: number;
  readonly pollMs?: number;
}

/** Reads it once, without watching. Throws `endpoints_invalid` that lists every problem. */
export async function readEndpointsFile(path: string): Promise<readonly EndpointSpec[]> {
  return parseContent(await readContent(path, MAX_ENDPOINTS_FILE_BYTES), path);
}

export class FileDiscovery implements Discovery {
  readonly #options: FileDiscoveryOptions;
  readonly #file: WatchedFile;
  /** Set while started and not closed. */
  #publish: PublishEndpoints | undefined;

  constructor(options: FileDiscoveryOptions) {
    this.#options = options;
    this.#file = new WatchedFile({
      ...options,
      limitBytes: MAX_ENDPOINTS_FILE_BYTES,
      changed: (content) => this.#act(content),
    });
  }

  async start(publish: PublishEndpoints): Promise<void> {
    const { path } = this.#options;
    const content = await readContent(path, MAX_ENDPOINTS_FILE_BYTES);
    const endpoints = parseContent(content, path);
    this.#publish = publish;
    this.#file.open(content);
    publish(endpoints);
  }

  /** Reads the file now and takes it as finished, as an operator's signal says. Never rejects. */
  reload(): Promise<void> {
    return this.#file.reload();
  }

  close(): Promise<void> {
    this.#publish = undefined;
    return this.#file.close();
  }

  #act(content: FileContent): void {
    let endpoints: readonly EndpointSpec[];
    try {
      endpoints = parseContent(content, this.#options.path);
    } catch (reason) {
      this.#options.rejected(AppError.from(reason));
      return;
    }
    this.#publish?.(endpoints);
  }
}

function parseContent(content: FileContent, path: string): readonly EndpointSpec[] {
  if (content.text === undefined) throw endpointsInvalid(path, [content.failure]);
  return parseEndpointsDocument(content.text, path);
}
