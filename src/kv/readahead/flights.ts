/** Copies under way or waiting for their turn, as they were asked for. */
import type { SegmentId } from "../records.ts";
import type { Flight } from "./flight.ts";

export class Flights implements Iterable<Flight> {
  readonly #all = new Set<Flight>();
  readonly #bySegment = new Map<SegmentId, Set<Flight>>();

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<Flight> {
    return this.#all.values();
  }

  ofSegment(id: SegmentId): readonly Flight[] {
    return [...(this.#bySegment.get(id) ?? [])];
  }

  /** What is under way, then what a turn waits for, then all else; each as it was asked for. */
  inTurn(): readonly Flight[] {
    const rankOf = ({ isBegun, isAwaited }: Flight) => (isBegun ? 0 : isAwaited ? 1 : 2);
    return [...this.#all].toSorted((a, b) => rankOf(a) - rankOf(b));
  }

  add(flight: Flight): void {
    const { id } = flight.segment;
    this.#all.add(flight);
    this.#bySegment.set(id, (this.#bySegment.get(id) ?? new Set()).add(flight));
  }

  delete(flight: Flight): void {
    const { id } = flight.segment;
    const others = this.#bySegment.get(id);
    this.#all.delete(flight);
    others?.delete(flight);
    if (others?.size === 0) this.#bySegment.delete(id);
  }
}
