/**
 * How much memory the bodies under way may hold. A tenant may hold no more than it leaves free, so one tenant alone gets half of
 * the limit, two that want all there is a third each, and a tenant that holds nothing yet finds room beside any few that are
 * greedy: a body is slow at its peer's will, for up to 10 minutes. Rejected: a fixed share for each tenant, since nobody knows
 * how many are active.
 */
import { CHUNK_BYTES } from "./body-watch.ts";
import type { BytesPorts } from "./bytes-ports.ts";

export class BytesInFlight {
  readonly #ports: Pick<BytesPorts, "limits" | "observer">;
  /** The sum of what the tenants hold. */
  #held = 0;
  /** Only of those that hold something. */
  readonly #heldBy = new Map<string, number>();

  constructor(ports: Pick<BytesPorts, "limits" | "observer">) {
    this.#ports = ports;
  }

  /** Holds two chunks, or a shorter body, until the answer is called. Undefined where that would be too much. */
  take(tenant: string, bodyBytes: number): (() => void) | undefined {
    const bytes = Math.min(bodyBytes, 2 * CHUNK_BYTES);
    const free = this.#ports.limits.bytesInFlightLimit - this.#held - bytes;
    if ((this.#heldBy.get(tenant) ?? 0) + bytes > free) return undefined;
    this.#add(tenant, bytes);
    return () => this.#add(tenant, -bytes);
  }

  #add(tenant: string, bytes: number): void {
    this.#held += bytes;
    const held = (this.#heldBy.get(tenant) ?? 0) + bytes;
    if (held === 0) this.#heldBy.delete(tenant);
    else this.#heldBy.set(tenant, held);
    this.#ports.observer.inFlight(this.#held);
  }
}
