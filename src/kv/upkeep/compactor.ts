/** Gives each segment that survives in a mostly unreferenced file an object of its own, so that the file can go. */
import type { Catalog } from "../catalog.ts";
import type { Copier } from "../copier.ts";
import type { FileRef } from "../records.ts";
import type { CompactableFile } from "../space.ts";
import type { KeeperObserver } from "./keeper-observer.ts";

export interface CompactorOptions {
  readonly catalog: Pick<Catalog, "compactable">;
  readonly copier: Pick<Copier, "move">;
  readonly observer: Pick<KeeperObserver, "compacted">;
  /** Of one pass; the last segment may exceed it. */
  readonly bytesPerPass: number;
  readonly signal: AbortSignal;
}

export class Compactor {
  readonly #options: CompactorOptions;
  /** The last file that was gone through; undefined before the first of a round. */
  #after: FileRef | undefined;

  constructor(options: CompactorOptions) {
    this.#options = options;
  }

  /** File after file, until the bytes of a pass are spent or a round is over. */
  async pass(): Promise<void> {
    const { catalog, bytesPerPass, signal } = this.#options;
    for (let left = bytesPerPass; left > 0 && !signal.aborted;) {
      const [next] = await catalog.compactable({ after: this.#after, limit: 1 });
      if (next === undefined) {
        this.#after = undefined;
        return;
      }
      left = await this.#empty(next, left);
    }
  }

  /** Moves what is in the file. Answers with what is left of the pass; 0 or less when the file has more. */
  async #empty({ file, segments }: CompactableFile, bytes: number): Promise<number> {
    const { copier, observer, signal } = this.#options;
    let left = bytes;
    for (const segment of segments) {
      if (left <= 0 || signal.aborted) return 0;
      const result = await copier.move(segment, { signal });
      const { id, bytes: moved } = segment;
      observer.compacted({ segment: id, location: file.location, bytes: moved, result });
      left -= moved;
      if (result !== "moved" && result !== "gone") break; // it is met again in the next round
    }
    this.#after = file;
    return left;
  }
}
