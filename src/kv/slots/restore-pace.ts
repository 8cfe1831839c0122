/** Of the new time, in the mean of all that were seen. */
const WEIGHT = 0.3;

/** What was not tried for being slow is taken for faster by so much each time, until it is tried again. */
const FORGIVENESS = 0.9;

/** How long restores take, by those that were seen. */
export class RestorePace {
  #msPerByte: number | undefined;

  /** 0 where nothing is known. */
  guess(bytes: number): number {
    return (this.#msPerByte ?? 0) * bytes;
  }

  took(bytes: number, ms: number): void {
    const msPerByte = ms / bytes;
    const mean = this.#msPerByte ?? msPerByte;
    this.#msPerByte = mean + (msPerByte - mean) * WEIGHT;
  }

  passedOver(): void {
    if (this.#msPerByte !== undefined) this.#msPerByte *= FORGIVENESS;
  }
}
