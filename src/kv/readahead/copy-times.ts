/** How long copies take from tier to tier, by those of late: bytes over time, each copy counting less with every further one. */
import type { Tier } from "../location.ts";

export interface Way {
  readonly from: Tier;
  readonly to: Tier;
}

/** Of their weight, what copies keep when another comes on the same way: the last three count as much as all before. */
const KEPT_SHARE = 0.8;

export class CopyTimes {
  readonly #seen = new Map<string, { readonly bytes: number; readonly ms: number }>();

  /** Of one copy, or of as much of it as was made before it ended. What has no bytes says nothing. */
  add(way: Way, bytes: number, ms: number): void {
    if (bytes <= 0 || ms < 0) return;
    const known = this.#seen.get(keyOf(way)) ?? { bytes: 0, ms: 0 };
    this.#seen.set(keyOf(way), {
      bytes: known.bytes * KEPT_SHARE + bytes,
      ms: known.ms * KEPT_SHARE + ms,
    });
  }

  /** Of one copy, among as many others as there were of late. Undefined before the first. */
  msOf(way: Way, bytes: number): number | undefined {
    const seen = this.#seen.get(keyOf(way));
    return seen && (bytes / seen.bytes) * seen.ms;
  }
}

function keyOf({ from, to }: Way): string {
  return `${from} ${to}`;
}
