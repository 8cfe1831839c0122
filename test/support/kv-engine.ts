/** An engine in a process of its own, which a test may kill: it writes where a plan tells it to, after it has answered. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import type { EngineTold, WriteJob } from "./kv-engine-process.ts";

const PROCESS = join(import.meta.dirname, "kv-engine-process.ts");

export type EngineWork = Omit<WriteJob, "id">;

/** `answered` and `ended` never reject: an engine that is gone has simply not said so, or not written. */
export interface EngineAnswer {
  readonly answered: Promise<void>;
  /** Whether all of it was written. */
  readonly ended: Promise<boolean>;
}

interface Waiting {
  answered(): void;
  ended(isWritten: boolean): void;
}

export class KvEngine {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #jobs = 0;

  constructor() {
    this.#child = fork(PROCESS);
    this.#child.on("message", ({ id, kind }: EngineTold) => {
      const waiting = this.#waiting.get(id);
      if (kind === "answered") return waiting?.answered();
      waiting?.ended(kind === "written");
      this.#waiting.delete(id);
    });
    this.#child.on("exit", () => {
      for (const waiting of this.#waiting.values()) {
        waiting.answered();
        waiting.ended(false);
      }
      this.#waiting.clear();
    });
  }

  /** Of this start of the engine, never that of another. */
  get identity(): string {
    return `engine-${this.#child.pid}`;
  }

  write(work: EngineWork): EngineAnswer {
    const id = ++this.#jobs;
    const [answered, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<boolean>()];
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      return { answered: Promise.resolve(), ended: Promise.resolve(false) };
    }
    this.#waiting.set(id, { answered: answered.resolve, ended: ended.resolve });
    this.#child.send({ ...work, id } satisfies WriteJob, () => {}); // one that has gone says so by its exit
    return { answered: answered.promise, ended: ended.promise };
  }

  async kill(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }
}
