import type { Clock, Scheduler } from "../../clock.ts";
import { pause } from "../verify/pause.ts";
import type { SlotObserver } from "./slot-observer.ts";
import { SlotFault, type SlotLook, type SlotServer } from "./slot-server.ts";

export interface SlotWatchOptions {
  readonly server: Pick<SlotServer, "look">;
  readonly clock: Clock & Scheduler;
  readonly observer: Pick<SlotObserver, "failed">;
  /** Nobody waits for a slot any more once it is aborted. */
  readonly closed: AbortSignal;
}

/** Between looks at a slot that is busy, or at a server that does not answer; doubled from the first to the second. */
const FIRST_PAUSE_MS = 10;
const LAST_PAUSE_MS = 1_000;

/** Looks end by themselves, and soon. */
const NEVER = AbortSignal.any([]);

/** Looks at one slot at a time: what a server says of it now. */
export class SlotWatch {
  readonly #options: SlotWatchOptions;

  constructor(options: SlotWatchOptions) {
    this.#options = options;
  }

  /** Undefined: the server does not say. */
  async look(slot: number): Promise<SlotLook | undefined> {
    const look = await this.#look(slot);
    if (!(look instanceof SlotFault)) return look;
    this.#options.observer.failed("look", look);
    return undefined;
  }

  /** As soon as no request runs in it, however long that takes; that the server does not say is told once. Undefined: nobody waits any more. */
  async whenIdle(slot: number): Promise<IdleSlot | undefined> {
    const { clock, closed, observer } = this.#options;
    let pauseMs = FIRST_PAUSE_MS;
    let [first, isTold]: [SlotLook | undefined, boolean] = [undefined, false];
    while (!closed.aborted) {
      const look = await this.#look(slot);
      if (look instanceof SlotFault) {
        // A server may be gone for hours.
        if (!isTold) observer.failed("look", look);
        isTold = true;
      } else {
        first ??= look;
        if (first !== undefined && look?.isBusy === false) return { first, now: look };
      }
      await pause(clock, pauseMs, closed);
      pauseMs = Math.min(LAST_PAUSE_MS, pauseMs * 2);
    }
    return undefined;
  }

  async #look(slot: number): Promise<SlotLook | undefined | SlotFault> {
    const looks = await this.#options.server.look(NEVER);
    return looks instanceof SlotFault ? looks : looks.find(({ id }) => id === slot);
  }
}

export interface IdleSlot {
  /** As it was when it was first seen. */
  readonly first: SlotLook;
  readonly now: SlotLook;
}
