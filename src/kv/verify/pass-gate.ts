/** Bounds what is read and synced at once: how many segments, and how many bytes they have together. */

export interface GateLimits {
  readonly passes: number;
  /** Of the segments, not of memory. One that is larger by itself is let in alone. */
  readonly bytes: number;
}

/** `plan`: a request waits for it, so it goes before whatever is `settling`. Within a kind, first come, first served. */
export type GateKind = "plan" | "settling";

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

export class PassGate {
  readonly #limits: GateLimits;
  readonly #waiting: Readonly<Record<GateKind, Waiting[]>> = { plan: [], settling: [] };
  /** Both are of those let in. */
  #passes = 0;
  #bytes = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** Of those let in. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Runs the task when there is room for it. Its own end makes room, however it ends. */
  async run<T>({ kind, bytes }: GateRequest, task: () => Promise<T>): Promise<T> {
    await this.#entered(kind, bytes);
    try {
      return await task();
    } finally {
      this.#passes--;
      this.#bytes -= bytes;
      this.#letIn();
    }
  }

  #entered(kind: GateKind, bytes: number): Promise<void> {
    return new Promise((enter) => {
      this.#waiting[kind].push({ bytes, enter });
      this.#letIn();
    });
  }

  #letIn(): void {
    for (;;) {
      const { plan, settling } = this.#waiting;
      const queue = plan.length > 0 ? plan : settling;
      const next = queue[0];
      if (next === undefined || !this.#hasRoom(next.bytes)) return;
      queue.shift();
      this.#passes++;
      this.#bytes += next.bytes;
      next.enter();
    }
  }

  #hasRoom(bytes: number): boolean {
    if (this.#passes === 0) return true;
    return this.#passes < this.#limits.passes && this.#bytes + bytes <= this.#limits.bytes;
  }
}

export interface GateRequest {
  readonly kind: GateKind;
  readonly bytes: number;
}
