/**
 * How long copies take from place to place, by those of late: bytes over time, each copy counting less with every further one. Until the
 * first one between two places, by those between their tiers.
 */
import type { LocationProfile, Tier } from "../location.ts";

/** A location. */
export type CopyPlace = Pick<LocationProfile, "id" | "tier">;

export interface Way {
  readonly from: CopyPlace;
  readonly to: CopyPlace;
}

interface Seen {
  readonly bytes: number;
  readonly ms: number;
}

/** Of their weight, what copies keep when another comes on the same way: the last three count as much as all before. */
const KEPT_SHARE = 0.8;

/** By where copies come from and go to. */
class Seens<K extends string> {
  readonly #seen = new Map<string, Seen>();

  get([from, to]: readonly [K, K]): Seen | undefined {
    return this.#seen.get(`${from} ${to}`);
  }

  add([from, to]: readonly [K, K], { bytes, ms }: Seen): void {
    const known = this.get([from, to]) ?? { bytes: 0, ms: 0 };
    this.#seen.set(`${from} ${to}`, {
      bytes: known.bytes * KEPT_SHARE + bytes,
      ms: known.ms * KEPT_SHARE + ms,
    });
  }
}

export class CopyTimes {
  readonly #byPlaces = new Seens<string>();
  readonly #byTiers = new Seens<Tier>();

  /** Of one copy, or of as much of it as was made before it ended. What has no bytes says nothing. */
  add({ from, to }: Way, bytes: number, ms: number): void {
    if (bytes <= 0 || ms < 0) return;
    this.#byPlaces.add([from.id, to.id], { bytes, ms });
    this.#byTiers.add([from.tier, to.tier], { bytes, ms });
  }

  /** Of one copy, among as many others as there were of late. Undefined before the first. */
  msOf({ from, to }: Way, bytes: number): number | undefined {
    const seen = this.#byPlaces.get([from.id, to.id]) ?? this.#byTiers.get([from.tier, to.tier]);
    return seen && (bytes / seen.bytes) * seen.ms;
  }
}
