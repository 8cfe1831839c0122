/** Values of members, copied as they are written while they pass by, each up to its limit. The last one of a slot counts. */

export interface CaptureLimits {
  /** Bytes a slot. */
  readonly limits: readonly number[];
  /** What an earlier text said stays until it is said anew; else a text stands alone. */
  readonly addsUp: boolean;
}

interface Slot {
  bytes: Uint8Array;
  size: number;
  /** Larger than its limit: `bytes` is meaningless. */
  isOver: boolean;
  /** A value was there, to its end. */
  isSet: boolean;
}

export class Captures {
  readonly #limits: readonly number[];
  readonly #addsUp: boolean;
  readonly #slots: readonly Slot[];
  #open: Slot | undefined;
  #limit = 0;

  constructor({ limits, addsUp }: CaptureLimits) {
    this.#limits = limits;
    this.#addsUp = addsUp;
    this.#slots = limits.map(() => ({
      bytes: new Uint8Array(0),
      size: 0,
      isOver: false,
      isSet: false,
    }));
  }

  /** A text begins. */
  begin(): void {
    this.#open = undefined;
    if (this.#addsUp) return;
    for (const slot of this.#slots) slot.isSet = false;
  }

  open(field: number): void {
    const slot = this.#slots[field];
    if (slot === undefined) return;
    slot.size = 0;
    slot.isOver = false;
    slot.isSet = false;
    this.#limit = this.#limits[field] ?? 0;
    this.#open = slot;
  }

  /** Of the value that is open; nothing where none is. */
  add(bytes: Uint8Array, from: number, to: number): void {
    const slot = this.#open;
    if (slot === undefined || slot.isOver) return;
    const size = slot.size + (to - from);
    if (size > this.#limit) {
      slot.isOver = true;
      return;
    }
    if (size > slot.bytes.length) {
      const larger = new Uint8Array(Math.min(this.#limit, Math.max(size, 2 * slot.bytes.length)));
      larger.set(slot.bytes.subarray(0, slot.size));
      slot.bytes = larger;
    }
    slot.bytes.set(bytes.subarray(from, to), slot.size);
    slot.size = size;
  }

  close(): void {
    if (this.#open !== undefined) this.#open.isSet = true;
    this.#open = undefined;
  }

  /** Undefined where no value was there; a view until the next text. */
  value(field: number): Uint8Array | "over" | undefined {
    const slot = this.#slots[field];
    if (slot === undefined || !slot.isSet) return undefined;
    return slot.isOver ? "over" : slot.bytes.subarray(0, slot.size);
  }
}
