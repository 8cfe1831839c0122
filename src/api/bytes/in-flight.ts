/** How much memory the bodies under way may hold, all of them together. */
import { CHUNK_BYTES } from "./body-watch.ts";
import type { BytesPorts } from "./bytes-ports.ts";

export class BytesInFlight {
  readonly #ports: Pick<BytesPorts, "limits" | "observer">;
  #held = 0;

  constructor(ports: Pick<BytesPorts, "limits" | "observer">) {
    this.#ports = ports;
  }

  /** Holds two chunks, or a shorter body, until the answer is called. Undefined where that would be too much. */
  take(bodyBytes: number): (() => void) | undefined {
    const bytes = Math.min(bodyBytes, 2 * CHUNK_BYTES);
    if (this.#held + bytes > this.#ports.limits.bytesInFlightLimit) return undefined;
    this.#add(bytes);
    return () => this.#add(-bytes);
  }

  #add(bytes: number): void {
    this.#held += bytes;
    this.#ports.observer.inFlight(this.#held);
  }
}
