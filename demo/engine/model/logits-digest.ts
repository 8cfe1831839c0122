/** The answer of a model down to its last bit: a hash of all logits of all steps, so that what no sampled token shows, shows here. */
import { createHash } from "node:crypto";

export class LogitsDigest {
  readonly #hash = createHash("sha256");

  add(logits: Float64Array): void {
    this.#hash.update(new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength));
  }

  /** Of the steps so far: 32 hex digits. */
  hex(): string {
    return this.#hash.copy().digest("hex").slice(0, 32);
  }
}
