/** A llama-server as a process of its own, one that can be killed and comes back at the same address. */
import { join } from "node:path";
import { type Child, startChild, waitUntilReady } from "../stack/child.ts";
import { freePort } from "../stack/ports.ts";
import { llamaPython } from "./fetch.ts";

const main = join(import.meta.dirname, "server.py");
/** Reading a model of some GB takes its time. */
const readyDeadlineMs = 60_000;

export interface LlamaServerOptions {
  readonly name: string;
  readonly model: string;
  /** Without it, or empty, its slots can be neither saved nor restored. */
  readonly slotSavePath?: string;
  readonly slots: number;
  /** Tokens of one slot. */
  readonly contextTokens: number;
  /** 1 unless given. */
  readonly threads?: number;
  /** What keys are kept as; `f16` unless given. */
  readonly cacheTypeK?: string;
  /** Of requests that do not say it; 0 unless given. */
  readonly cacheReuse?: number;
  /** Of the model that guesses tokens ahead; none unless given. */
  readonly draftModel?: string;
}

export class LlamaServer {
  readonly name: string;
  readonly #options: LlamaServerOptions;
  /** Kept over restarts. */
  #port: number | undefined;
  #child: Child | undefined;

  constructor(options: LlamaServerOptions) {
    this.name = options.name;
    this.#options = options;
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

  /** Resolves when it answers; after a `kill`, at the same port and with empty slots. What is given takes the place of what it was made with. */
  async start(changed: Partial<LlamaServerOptions> = {}): Promise<void> {
    const { command, env } = await llamaPython();
    this.#port ??= await freePort();
    const args = [main, ...this.#flags({ ...this.#options, ...changed })];
    const child = startChild({ label: `llama-server ${this.name}`, command, args, env });
    this.#child = child;
    let isListening = false;
    child.onLine((line) => {
      if (line === `listening on ${this.#port}`) isListening = true;
    });
    await waitUntilReady(child, {
      deadlineMs: readyDeadlineMs,
      check: async () => isListening && (await fetch(`${this.url}/health`)).ok,
    });
  }

  /** As a crash: open answers are cut, new connections refused. */
  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  /** It stands still, connections and all, until `SIGCONT`. */
  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.signal(name);
  }

  async close(): Promise<void> {
    this.#child?.signal("SIGCONT");
    await this.#child?.close();
  }

  #flags(options: LlamaServerOptions): readonly string[] {
    const { model, slots, contextTokens, slotSavePath, threads = 1 } = options;
    const { cacheTypeK, cacheReuse = 0, draftModel } = options;
    return [
      `--model=${model}`,
      `--port=${this.#port}`,
      `--parallel=${slots}`,
      `--ctx-size=${slots * contextTokens}`,
      `--threads=${threads}`,
      `--cache-reuse=${cacheReuse}`,
      ...(draftModel === undefined ? [] : [`--model-draft=${draftModel}`]),
      ...(cacheTypeK === undefined ? [] : [`--cache-type-k=${cacheTypeK}`]),
      ...(slotSavePath === undefined || slotSavePath === ""
        ? []
        : [`--slot-save-path=${slotSavePath}`]),
    ];
  }
}
