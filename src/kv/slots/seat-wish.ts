import type { Clock, Scheduler } from "../../clock.ts";
import type { NoSeatReason, Seat, SeatRequest } from "./seat.ts";

/** A turn that wants a seat, until it has its answer: by its deadline at the latest, when its client leaves, or by a seat. */
export class SeatWish {
  readonly request: SeatRequest;
  /** Never rejects. */
  readonly answered: Promise<Seat | NoSeatReason>;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  readonly #resolve: (answer: Seat | NoSeatReason) => void;
  readonly #cancel: () => void;
  #isAnswered = false;

  constructor(request: SeatRequest, clock: Clock & Scheduler) {
    const { promise, resolve } = Promise.withResolvers<Seat | NoSeatReason>();
    const { signal } = request;
    const leave = (): void => this.refuse("client_gone");
    const cancelTimer = clock.after(Math.max(0, request.untilMs - clock.now()), () =>
      this.refuse("slots_busy"),
    );
    this.request = request;
    this.answered = promise;
    this.#clock = clock;
    this.#resolve = resolve;
    this.#cancel = () => {
      cancelTimer();
      signal.removeEventListener("abort", leave);
    };
    signal.addEventListener("abort", leave);
    if (signal.aborted) leave();
    else if (this.leftMs <= 0) this.refuse("slots_busy");
  }

  /** Aborted when nobody waits any more. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  get leftMs(): number {
    return this.request.untilMs - this.#clock.now();
  }

  /** False: nobody waits for it any more, and it is still the giver's. */
  give(seat: Seat): boolean {
    return this.#answer(seat);
  }

  /** Nothing where it was answered already. */
  refuse(reason: NoSeatReason): void {
    if (this.#answer(reason)) this.#over.abort();
  }

  #answer(answer: Seat | NoSeatReason): boolean {
    if (this.#isAnswered) return false;
    this.#isAnswered = true;
    this.#cancel();
    this.#resolve(answer);
    return true;
  }
}
