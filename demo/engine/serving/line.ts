/** Work that goes one piece after the other, in the order in which it was given. */
export class Line {
  /** Settles when the last piece is done; never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  async run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}
