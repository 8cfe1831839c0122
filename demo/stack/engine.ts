/** An engine as a process of its own, one that can be killed and comes back at the same address. */
import { join, resolve } from "node:path";
import { startChild, waitUntilReady } from "./child.ts";
import type { Child } from "./child.ts";
import { freePort } from "./ports.ts";

const mains = {
  simulated: join(resolve(import.meta.dirname, ".."), "simulated-engine", "main.ts"),
  computing: join(resolve(import.meta.dirname, ".."), "engine", "main.ts"),
};
const readyDeadlineMs = 30_000;

export interface EngineProcessOptions {
  readonly name: string;
  /** Simulated ones only take the time; computing ones have a model. Simulated unless given. */
  readonly kind?: keyof typeof mains;
  /** Further options of its main.ts, without the dashes: `{ "prefill-us": 400, stateless: true }`. */
  readonly settings?: Readonly<Record<string, number | string | true>>;
}

export class EngineProcess {
  readonly name: string;
  readonly #main: string;
  readonly #settings: readonly string[];
  /** Kept over restarts. */
  #port: number | undefined;
  #child: Child | undefined;

  constructor(options: EngineProcessOptions) {
    this.name = options.name;
    this.#main = mains[options.kind ?? "simulated"];
    this.#settings = Object.entries(options.settings ?? {}).map(([name, value]) =>
      value === true ? `--${name}` : `--${name}=${value}`,
    );
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** Of the last process that was started; undefined before. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get isRunning(): boolean {
    return this.#child?.isRunning() ?? false;
  }

  /** Resolves when it listens; after a `kill`, at the same port and with an empty cache. */
  async start(): Promise<void> {
    this.#port ??= await freePort();
    const child = startChild({
      label: `engine ${this.name}`,
      command: process.execPath,
      args: [this.#main, "--name", this.name, "--port", String(this.#port), ...this.#settings],
    });
    this.#child = child;
    let isListening = false;
    child.onLine((line) => {
      if (line === `listening on ${this.#port}`) isListening = true;
    });
    await waitUntilReady(child, {
      deadlineMs: readyDeadlineMs,
      check: () => Promise.resolve(isListening),
    });
  }

  /** As a crash: open answers are cut, new connections refused. */
  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  async flush(): Promise<void> {
    await fetch(`${this.url}/flush_cache`, { method: "POST" });
  }

  /** Of a computing engine: how it misbehaves from now on (demo/engine/behaviour.ts); what is not named is good again. */
  async behave(behaviour: Readonly<Record<string, unknown>>): Promise<void> {
    const response = await fetch(`${this.url}/behave`, {
      method: "POST",
      body: JSON.stringify(behaviour),
    });
    if (!response.ok) throw new Error(`engine ${this.name}: ${await response.text()}`);
  }

  async close(): Promise<void> {
    await this.#child?.close();
  }
}
