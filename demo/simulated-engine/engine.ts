/**
 * The work of a simulated engine, without HTTP: prompts wait for each other, since an engine computes one prefill at a
 * time; a prefill takes time in proportion to the tokens that the prefix cache did not have; tokens of different answers
 * are generated side by side. Nothing here uses the CPU for that time, so that several engines fit on a small machine.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { nameBlocks, PrefixCache } from "./prefix-cache.ts";
import type { Prompt, StreamStep, Usage } from "./protocol.ts";

export interface EngineSpeed {
  readonly blockTokens: number;
  readonly cacheBlocks: number;
  /** For each prompt token that is not in the cache. */
  readonly prefillUsPerToken: number;
  /** For each token of an answer. */
  readonly decodeUsPerToken: number;
  /** Prompts that may wait; one more is refused. */
  readonly queueLimit: number;
}

export const defaultSpeed: EngineSpeed = {
  blockTokens: 16,
  cacheBlocks: 4096,
  prefillUsPerToken: 100,
  decodeUsPerToken: 1000,
  queueLimit: 256,
};

/** Totals since the start. `GET /get_server_info` shows them. */
export interface EngineTotals {
  readonly requests: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly waiting: number;
  readonly usedBlocks: number;
}

const sentence = "Your boat lies where you left it , and the line is still tied .".split(" ");

export class Engine {
  readonly #speed: EngineSpeed;
  readonly #cache: PrefixCache;
  /** Settles when the last prefill in line is done; never rejects. */
  #lastPrefill: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #requests = 0;
  #promptTokens = 0;
  #cachedTokens = 0;

  constructor(speed: EngineSpeed) {
    this.#speed = speed;
    this.#cache = new PrefixCache(speed.cacheBlocks);
  }

  get totals(): EngineTotals {
    return {
      requests: this.#requests,
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      waiting: this.#waiting,
      usedBlocks: this.#cache.size,
    };
  }

  get isFull(): boolean {
    return this.#waiting >= this.#speed.queueLimit;
  }

  flush(): void {
    this.#cache.clear();
  }

  /**
   * Yields once per token of the answer. The first one comes when the prefill is done, so its delay is the time to first
   * token. An abort while waiting costs no prefill; the signal's reason is thrown.
   */
  async *answer(prompt: Prompt, signal: AbortSignal): AsyncGenerator<StreamStep> {
    this.#waiting += 1;
    const prefill = this.#lastPrefill.then(async () => this.#prefill(prompt, signal));
    this.#lastPrefill = prefill.catch(() => {});
    const cachedTokens = await prefill.finally(() => (this.#waiting -= 1));

    const output: string[] = [];
    while (output.length < prompt.maxTokens) {
      await sleep(this.#speed.decodeUsPerToken / 1000, undefined, { signal });
      const word = sentence[output.length % sentence.length] ?? "";
      output.push(word);
      const usage = countUsage(prompt, cachedTokens, output.length);
      yield { text: output.join(" "), newest: `${word} `, usage };
    }
    this.#cache.insert(nameBlocks([...prompt.tokens, ...output], this.#speed.blockTokens));
  }

  async #prefill(prompt: Prompt, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    const { blockTokens, prefillUsPerToken } = this.#speed;
    const names = nameBlocks(prompt.tokens, blockTokens);
    const cachedTokens = this.#cache.match(names) * blockTokens;
    await sleep(((prompt.tokens.length - cachedTokens) * prefillUsPerToken) / 1000);
    this.#cache.insert(names);
    this.#requests += 1;
    this.#promptTokens += prompt.tokens.length;
    this.#cachedTokens += cachedTokens;
    return cachedTokens;
  }
}

function countUsage(prompt: Prompt, cachedTokens: number, completionTokens: number): Usage {
  return { promptTokens: prompt.tokens.length, cachedTokens, completionTokens };
}
