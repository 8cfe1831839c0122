/**
 * The work of a computing engine, without HTTP: each prompt goes on from the longest prefix that the engine holds or can load, is
 * computed from there, answered token by token, and what it is asked to store is given to the writer at the end. Prompts are
 * computed one after the other, and answers side by side with them, all in slices.
 */
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import type { KvCache } from "../model/kv-cache.ts";
import { kvBytesPerToken } from "../model/kv-cache.ts";
import { LogitsDigest } from "../model/logits-digest.ts";
import { argmax } from "../model/model.ts";
import type { Model } from "../model/model.ts";
import type { AnswerState, FinishReason } from "../protocol/answer-state.ts";
import { BadRequest } from "../protocol/bad-request.ts";
import type { KvRequest } from "../protocol/kv-dialects.ts";
import { tokenEnd } from "../protocol/kv-segments.ts";
import type { KvSegment } from "../protocol/kv-segments.ts";
import type { Sampling } from "../protocol/sampling.ts";
import { segmentsToLoad, segmentsToSave } from "../segments/plan.ts";
import type { StorageRules } from "../segments/plan.ts";
import { readSegments } from "../segments/reader.ts";
import type { SegmentWriter } from "../segments/writer.ts";
import { Line } from "./line.ts";
import { PrefixCache } from "./prefix-cache.ts";
import { inSlices } from "./slices.ts";

export interface EngineOptions {
  readonly model: Model;
  /** With one of these an answer ends, unless the request ignores that. */
  readonly stopIds: readonly number[];
  readonly limits: EngineLimits;
  /** Where `file://` objects are. */
  readonly root: string;
  readonly writer: SegmentWriter;
}

export interface EngineLimits {
  readonly pageSize: number;
  readonly loadThreshold: number;
  /** Tokens kept between requests; 0: none. */
  readonly cacheTokens: number;
  /** Tokens of a prompt and its answer. */
  readonly contextTokens: number;
  /** Requests under way; one more is refused. */
  readonly requests: number;
}

export const DEFAULT_LIMITS: EngineLimits = {
  pageSize: 1,
  loadThreshold: 256,
  cacheTokens: 65_536,
  contextTokens: 32_768,
  requests: 256,
};

/** Tokens of a prompt, whoever made them. */
export interface Job {
  readonly prompt: readonly number[];
  readonly sampling: Sampling;
  readonly kv: KvRequest | undefined;
}

/** After each token; the last one has `finish`. `outputIds` is the same list each time, longer. */
export type Step = Omit<AnswerState, "text">;

/** Since the start. */
export interface EngineTotals {
  readonly requests: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly loads: number;
  readonly failedLoads: number;
}

export class ComputingEngine {
  /** Computing takes so much longer for each prompt token that is not cached. For tests. */
  prefillUsPerToken = 0;
  readonly #options: EngineOptions;
  readonly #rules: StorageRules;
  readonly #cache: PrefixCache;
  readonly #prefills = new Line();
  readonly #totals = { requests: 0, promptTokens: 0, cachedTokens: 0, loads: 0, failedLoads: 0 };
  #active = 0;

  constructor(options: EngineOptions) {
    const { model, limits } = options;
    this.#options = options;
    this.#rules = { ...limits, bytesPerToken: kvBytesPerToken(model.shape) };
    this.#cache = new PrefixCache(limits.cacheTokens);
  }

  get totals(): EngineTotals {
    return { ...this.#totals };
  }

  get heldTokens(): number {
    return this.#cache.tokens;
  }

  get active(): number {
    return this.#active;
  }

  get isFull(): boolean {
    return this.#active >= this.#options.limits.requests;
  }

  flush(): void {
    this.#cache.clear();
  }

  /** Throws BadRequest for what this model cannot answer, before anything is computed. */
  check({ prompt, sampling, kv }: Job): void {
    const { model, limits } = this.#options;
    const { vocab } = model.shape;
    const unknown = prompt.find((id) => id < 0 || id >= vocab);
    if (unknown !== undefined) throw new BadRequest(`token id ${unknown} must be in [0, ${vocab})`);
    if (prompt.length === 0) throw new BadRequest("the prompt must have at least one token");
    const tokens = prompt.length + sampling.maxNewTokens;
    if (tokens > limits.contextTokens) {
      throw new BadRequest(
        `${prompt.length} tokens and ${sampling.maxNewTokens} new ones are above the context length of ${limits.contextTokens}`,
      );
    }
    const last = kv?.stored.at(-1);
    if (last !== undefined && tokenEnd(last) > prompt.length) {
      throw new BadRequest(
        `Invalid request: input ids length ${prompt.length} < stored KV token length ${tokenEnd(last)}`,
      );
    }
  }

  /** Of a job that was checked. Throws the signal's reason when that aborts it. */
  async *answer(job: Job, signal: AbortSignal): AsyncGenerator<Step> {
    const start = performance.now();
    this.#active += 1;
    try {
      const loaded = await this.#load(job, signal);
      const cache = await this.#prefills.run(async () => this.#prefill(job, loaded, signal));
      yield* this.#decode(job, { ...cache, start }, signal);
    } finally {
      this.#active -= 1;
    }
  }

  /** What the stored segments give, after as much as the engine holds before them; undefined where that is nothing. */
  async #load({ prompt, kv }: Job, signal: AbortSignal): Promise<KvCache | undefined> {
    if (kv === undefined) return undefined;
    const held = this.#held(prompt);
    const segments = segmentsToLoad(kv, held.length, this.#rules);
    if (segments.length === 0) return undefined;
    try {
      const { root } = this.#options;
      const { bytesPerToken } = this.#rules;
      const parts = await readSegments(segments, { root, bytesPerToken, signal });
      const cache = held.cache.copyOfPrefix(parts[0]?.segment.tokenStart ?? 0);
      for (const { segment, bytes } of parts) {
        cache.write(bytes, prompt.slice(segment.tokenStart, tokenEnd(segment)));
      }
      this.#totals.loads += 1;
      return cache;
    } catch {
      signal.throwIfAborted();
      this.#totals.failedLoads += 1; // and nobody is told: the prompt is computed
      return undefined;
    }
  }

  /** Keys and values of all of the prompt but its last token, whose logits are the first of the answer. */
  async #prefill({ prompt }: Job, loaded: KvCache | undefined, signal: AbortSignal) {
    const { model } = this.#options;
    const held = this.#held(prompt);
    const isLonger = loaded !== undefined && loaded.length >= held.length;
    const cache = isLonger ? loaded : held.cache.copyOfPrefix(held.length);
    cache.truncate(this.#pages(Math.min(cache.length, prompt.length - 1)));
    const cachedTokens = cache.length;
    const left = prompt.slice(cachedTokens, -1);
    if (this.prefillUsPerToken > 0) {
      await pause((this.prefillUsPerToken * left.length) / 1000, undefined, { signal });
    }
    const extend = (from: number, to: number) => model.extend(cache, left.slice(from, to));
    await inSlices(left.length, extend, signal);
    this.#cache.insert(cache);
    this.#totals.requests += 1;
    this.#totals.promptTokens += prompt.length;
    this.#totals.cachedTokens += cachedTokens;
    return { cache, cachedTokens };
  }

  async *#decode(
    { prompt, sampling, kv }: Job,
    { cache, cachedTokens, start }: Prefilled,
    signal: AbortSignal,
  ): AsyncGenerator<Step> {
    const { model, stopIds } = this.#options;
    const digest = new LogitsDigest();
    const outputIds: number[] = [];
    for (let next = prompt.at(-1) ?? 0; ;) {
      signal.throwIfAborted();
      const logits = model.forward(cache, [next]);
      digest.add(logits);
      next = argmax(logits, model.shape.spoken);
      outputIds.push(next);
      const usage = {
        promptTokens: prompt.length,
        cachedTokens,
        completionTokens: outputIds.length,
      };
      const isStop = stopIds.includes(next) && !sampling.ignoresEos;
      if (isStop || outputIds.length === sampling.maxNewTokens) {
        this.#cache.insert(cache);
        const reason: FinishReason = isStop
          ? { type: "stop", matched: next }
          : { type: "length", length: outputIds.length };
        const latency = (performance.now() - start) / 1000;
        yield {
          outputIds,
          usage,
          finish: { reason, digest: digest.hex(), saved: this.#save(kv, cache), latency },
        };
        return;
      }
      yield { outputIds, usage, finish: undefined };
      await turn();
    }
  }

  /** Gives what is to be stored to the writer, and tells what that is. */
  #save(kv: KvRequest | undefined, cache: KvCache): readonly KvSegment[] {
    if (kv === undefined) return [];
    const segments = segmentsToSave(kv, cache.length, this.#rules);
    const { layers } = this.#options.model.shape;
    const parts = segments.map(({ tokenStart, tokenLength, kvUri, kvStart }) => {
      const bytes = cache.read(tokenStart, tokenLength);
      return { uri: kvUri, startBytes: kvStart, bytes, extentBytes: bytes.length / (2 * layers) };
    });
    if (parts.length > 0) this.#options.writer.add({ segments: parts });
    return segments;
  }

  /** The most of the prompt that the engine holds, in whole pages and without its last token. */
  #held(prompt: readonly number[]): { readonly cache: KvCache; readonly length: number } {
    const match = this.#cache.match(prompt);
    if (match === undefined) return { cache: this.#options.model.newCache(), length: 0 };
    return { cache: match.cache, length: this.#pages(Math.min(match.length, prompt.length - 1)) };
  }

  #pages(tokens: number): number {
    return tokens - (tokens % this.#rules.pageSize);
  }
}

interface Prefilled {
  readonly cache: KvCache;
  readonly cachedTokens: number;
  /** When the request came, by the performance clock. */
  readonly start: number;
}
