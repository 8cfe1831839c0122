/** What a fresh engine answers, computed in threads of this process, and each question only once. */
import { Worker } from "node:worker_threads";
import type { ShapeName } from "./model/shape.ts";
import type { FreshAnswer } from "./oracle.ts";
import type { Sampling } from "./protocol/sampling.ts";

export interface Question {
  readonly prompt: readonly number[];
  readonly sampling: Sampling;
}

export class FreshAnswers {
  readonly #workers: readonly Worker[];
  readonly #waiting = new Map<number, (answer: FreshAnswer) => void>();
  readonly #answers = new Map<string, Promise<FreshAnswer>>();

  constructor(shape: ShapeName, threads: number) {
    const file = new URL("fresh-answers-worker.ts", import.meta.url);
    this.#workers = Array.from({ length: threads }, () => new Worker(file, { workerData: shape }));
    for (const worker of this.#workers) {
      worker.on("message", ({ id, answer }: { id: number; answer: FreshAnswer }) => {
        this.#waiting.get(id)?.(answer);
        this.#waiting.delete(id);
      });
    }
  }

  /** Questions that were computed, not asked. */
  get computed(): number {
    return this.#answers.size;
  }

  answer(question: Question): Promise<FreshAnswer> {
    const { prompt, sampling } = question;
    const key = `${sampling.maxNewTokens} ${sampling.ignoresEos} ${prompt.join()}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const id = this.#answers.size;
    const { promise, resolve } = Promise.withResolvers<FreshAnswer>();
    this.#waiting.set(id, resolve);
    this.#workers[id % this.#workers.length]?.postMessage({ id, question });
    this.#answers.set(key, promise);
    return promise;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
