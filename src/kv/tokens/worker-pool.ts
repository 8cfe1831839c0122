/**
 * Runs jobs in worker threads, one at a time in each, first come, first served. A worker that dies, or is at one job for too long,
 * is ended, its job is answered `busy`, and the next job starts another in its place. No worker keeps the process alive.
 */
import { Worker } from "node:worker_threads";
import type { Cancel, Scheduler } from "../../clock.ts";
import { AppError } from "../../errors.ts";

export interface WorkerPoolOptions {
  /** Answers each message with one `WorkerReply`. */
  readonly script: URL;
  readonly workerData: unknown;
  readonly scheduler: Scheduler;
  readonly limits: WorkerLimits;
  /** Told of each worker that died or was ended. Never throws. */
  readonly lost: (reason: unknown) => void;
}

export interface WorkerLimits {
  readonly workers: number;
  /** Jobs that wait for a worker, and what they weigh together; more are `busy` at once. */
  readonly waitingJobs: number;
  readonly waitingWeight: number;
  /** A job that no worker takes for so long is `busy`. */
  readonly waitMs: number;
  /** A worker that is at one job for longer hangs. */
  readonly runMs: number;
  /** Of a worker's heap, in MiB; one that needs more dies. */
  readonly heapMib: number;
}

/** `error`: the text of what the job threw. */
export type WorkerReply<Answer> = { readonly answer: Answer } | { readonly error: string };

export type JobEnd<Answer> = { readonly kind: "done"; readonly answer: Answer } | Busy;

export interface Busy {
  readonly kind: "busy";
}

interface Pending<Job, Answer> {
  readonly job: Job;
  readonly weight: number;
  readonly resolve: (end: JobEnd<Answer>) => void;
  readonly reject: (reason: AppError) => void;
  /** Of the deadline that holds now: of waiting, then of running. */
  cancel: Cancel;
}

/** A place for one worker. */
interface Seat<Job, Answer> {
  /** Undefined: none was needed yet, or not since the last one was lost. */
  worker: Worker | undefined;
  running: Pending<Job, Answer> | undefined;
}

const BUSY: Busy = { kind: "busy" };

export class WorkerPool<Job, Answer> {
  readonly #options: WorkerPoolOptions;
  readonly #seats: readonly Seat<Job, Answer>[];
  #waiting: Pending<Job, Answer>[] = [];
  /** Of those that wait. */
  #weight = 0;
  #isClosed = false;

  /** Starts the workers, so that they have loaded what they need by the first job. */
  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    const { workers } = options.limits;
    this.#seats = Array.from({ length: workers }, () => ({
      worker: undefined,
      running: undefined,
    }));
    for (const seat of this.#seats) seat.worker = this.#start(seat);
  }

  /** Rejects with what the job threw. */
  run(job: Job, weight: number): Promise<JobEnd<Answer>> {
    const { limits, scheduler } = this.#options;
    const isFull =
      this.#waiting.length >= limits.waitingJobs || this.#weight + weight > limits.waitingWeight;
    if (this.#isClosed || isFull) return Promise.resolve(BUSY);
    return new Promise((resolve, reject) => {
      const cancel = scheduler.after(limits.waitMs, () => this.#giveUp(pending));
      const pending: Pending<Job, Answer> = { job, weight, resolve, reject, cancel };
      this.#waiting.push(pending);
      this.#weight += weight;
      this.#seatNext();
    });
  }

  /** Idempotent. What waits or runs is `busy`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const pending of this.#waiting) this.#giveUp(pending);
    await Promise.all(this.#seats.map(async (seat) => this.#leave(seat)?.terminate()));
  }

  #seatNext(): void {
    const seat = this.#seats.find(({ running }) => running === undefined);
    const next = this.#waiting[0];
    if (seat === undefined || next === undefined) return;
    this.#unqueue(next);
    next.cancel();
    next.cancel = this.#options.scheduler.after(this.#options.limits.runMs, () => {
      const hung = this.#leave(seat);
      this.#options.lost(new Error(`a worker was at one job for ${this.#options.limits.runMs} ms`));
      void hung?.terminate();
    });
    seat.running = next;
    seat.worker ??= this.#start(seat);
    seat.worker.postMessage(next.job);
  }

  #start(seat: Seat<Job, Answer>): Worker {
    const { script, workerData, limits, lost } = this.#options;
    const resourceLimits = { maxOldGenerationSizeMb: limits.heapMib };
    const worker = new Worker(script, { workerData, resourceLimits });
    worker.unref();
    worker.on("message", (reply: WorkerReply<Answer>) => this.#answer(seat, reply));
    let failure: unknown;
    worker.on("error", (reason) => (failure = reason)); // its exit comes next
    worker.on("exit", (code) => {
      if (seat.worker !== worker) return;
      this.#leave(seat);
      lost(failure ?? new Error(`a worker ended with code ${code}`));
    });
    return worker;
  }

  #answer(seat: Seat<Job, Answer>, reply: WorkerReply<Answer>): void {
    const { running } = seat;
    if (running === undefined) return;
    running.cancel();
    seat.running = undefined;
    if ("error" in reply) running.reject(new AppError("internal", reply.error));
    else running.resolve({ kind: "done", answer: reply.answer });
    this.#seatNext();
  }

  /** Empties the seat. The worker that had it is not listened to any more. */
  #leave(seat: Seat<Job, Answer>): Worker | undefined {
    const { worker, running } = seat;
    seat.worker = undefined;
    seat.running = undefined;
    worker?.removeAllListeners("message");
    running?.cancel();
    running?.resolve(BUSY);
    if (!this.#isClosed) this.#seatNext();
    return worker;
  }

  #giveUp(pending: Pending<Job, Answer>): void {
    this.#unqueue(pending);
    pending.cancel();
    pending.resolve(BUSY);
  }

  #unqueue(pending: Pending<Job, Answer>): void {
    this.#waiting = this.#waiting.filter((other) => other !== pending);
    this.#weight -= pending.weight;
  }
}
