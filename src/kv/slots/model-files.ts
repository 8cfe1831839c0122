/**
 * What a model's weights are: the SHA-256 of its file, or of all its files in order where it is split into several. Read one model at a time, and
 * remembered for as long as the files look the same: size, time, device and inode.
 *
 * What a server has loaded is taken to be what its file is now. A file that is replaced in place while a server still runs on the old one would make them one
 * model; so new weights need a new name.
 */
import { stat } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { Turnstile } from "../turnstile.ts";
import type { HashFiles } from "./model-hash.ts";

/** Models that are remembered: the latest. */
const REMEMBERED = 64;
/** More parts than a model has. */
const PARTS_LIMIT = 999;
/** As llama.cpp's `gguf-split` names them: of these, a server is given the first. */
const FIRST_PART = /-00001-of-(\d{5})\.gguf$/;

export class ModelFiles {
  readonly #turnstile = new Turnstile(1);
  /** By all that is known of the files. The latest last. */
  readonly #digests = new Map<string, Promise<string | undefined>>();
  readonly #hash: HashFiles;
  readonly #over = new AbortController();

  constructor(hash: HashFiles) {
    this.#hash = hash;
  }

  /** In small hexadecimal digits. Undefined: these are no files that can be read here, or they changed meanwhile. */
  async digest(modelPath: string): Promise<string | undefined> {
    const parts = partsOf(modelPath);
    const looks = await lookOf(parts);
    if (looks === undefined || this.#over.signal.aborted) return undefined;
    const known = this.#digests.get(looks);
    if (known !== undefined) return known;
    const digest = this.#turnstile.run(() => this.#read(parts, looks));
    this.#remember(looks, digest);
    return digest;
  }

  /** What is being read is given up. Idempotent. */
  async close(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#digests.values());
  }

  #remember(looks: string, digest: Promise<string | undefined>): void {
    this.#digests.set(looks, digest);
    const [oldest] = this.#digests.keys();
    if (this.#digests.size > REMEMBERED && oldest !== undefined) this.#digests.delete(oldest);
    void digest.then((known) => {
      if (known === undefined && this.#digests.get(looks) === digest) this.#digests.delete(looks);
    });
  }

  async #read(parts: readonly string[], looks: string): Promise<string | undefined> {
    const { signal } = this.#over;
    const digest = signal.aborted ? undefined : await this.#hash(parts, signal);
    return digest !== undefined && (await lookOf(parts)) === looks ? digest : undefined;
  }
}

/** The whole model by the path that a server gives. */
function partsOf(modelPath: string): readonly string[] {
  const [suffix, digits = "1"] = FIRST_PART.exec(modelPath) ?? [""];
  const count = Number(digits);
  if (suffix === "" || count < 1 || count > PARTS_LIMIT) return [modelPath];
  const stem = modelPath.slice(0, -suffix.length);
  const part = (index: number) => String(index + 1).padStart(5, "0");
  return Array.from({ length: count }, (_, index) => `${stem}-${part(index)}-of-${digits}.gguf`);
}

/** Undefined: one of them is no file, or not to be seen from here. */
async function lookOf(parts: readonly string[]): Promise<string | undefined> {
  const looks: string[] = [];
  for (const path of parts) {
    if (!isAbsolute(path)) return undefined; // of the server's own folder
    const look = await stat(path, { bigint: true }).catch(() => undefined);
    if (look?.isFile() !== true) return undefined;
    looks.push([path, look.size, look.mtimeNs, look.dev, look.ino].join(" "));
  }
  return looks.join("\n");
}
