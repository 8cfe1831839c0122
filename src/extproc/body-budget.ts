/** The bytes that all exchanges together hold of bodies, and their limit. */
/**
 * Of a body that must be read and is still in Envoy, for as long as a client likes to take: with a place for all that it may become, a
 * few dozen idle uploads would have everybody else refused.
 */
export const PLACE_LIMIT_BYTES = 64 * 1024;

export class BodyBudget {
  readonly limitBytes: number;
  /** Never above `limitBytes`; 0 when no exchange holds anything. */
  #heldBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** False, and nothing taken, where the limit would be passed. */
  tryTake(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.limitBytes) return false;
    this.#heldBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#heldBytes -= bytes;
  }
}
