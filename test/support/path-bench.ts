/**
 * A pool of turns over a turn bench, with bodies of the real dialect and an engine in the test's hand. Tokens are character codes,
 * also those of texts and chats.
 */
import { type Cancel, systemClock } from "../../src/clock.ts";
import type { Endpoint, EndpointId } from "../../src/endpoints/endpoint.ts";
import { createDigests } from "../../src/digests.ts";
import { createDialect } from "../../src/kv/dialects/dialects.ts";
import type { Prompt } from "../../src/kv/dialects/dialect.ts";
import type { EngineDirectory, EngineState } from "../../src/kv/path/engine-directory.ts";
import { PathPool, type PathPoolOptions } from "../../src/kv/path/path-pool.ts";
import type { AnswerHead, BegunTurn, TurnRequest } from "../../src/kv/path/turn-path.ts";
import type { PromptTokens } from "../../src/kv/tokens/prompt-tokens.ts";
import { Reaches } from "../../src/kv/reach.ts";
import { Models } from "../../src/kv/turns/models.ts";
import type { PlannedSegment } from "../../src/kv/turns/turn-plan.ts";
import type { MeasuredTurn } from "../../src/kv/path/path-observer.ts";
import { Predictor } from "../../src/kv/prediction/predictor.ts";
import { settle } from "./fake-clock.ts";
import { RETENTION } from "./kv-desk.ts";
import { SMALL, SMALL_TOKEN_BYTES } from "./small-model.ts";
import { session, type TurnBench } from "./turn-bench.ts";
import { until } from "./until.ts";

const LASTING = { ...RETENTION, ttlMs: 3_600_000, maxAgeMs: 86_400_000 };
export const STANDARD = { ...LASTING, name: "standard" };
export const PREMIUM = { ...LASTING, name: "premium" };

export const ENGINE_A = endpointAt("10.0.0.1:80");
export const ENGINE_B = endpointAt("10.0.0.2:80");

export const SERVED: AnswerHead = {
  status: 200,
  contentType: "application/json",
  contentEncoding: "",
  servedBy: ENGINE_A.address,
  attempts: 1,
};

/** What is known of engines: each is ready until it is said to be another, and hears what the test can look at. */
export class KnownEngines implements EngineDirectory {
  readonly states = new Map<string, EngineState>();
  /** `<address> <engine session>` */
  readonly closed: string[] = [];
  readonly miscountedAt: string[] = [];
  readonly otherWeightsAt: string[] = [];
  readonly encodedAt: string[] = [];

  engine(_: string, { address }: Endpoint): EngineState {
    return this.states.get(address) ?? { kind: "ready", instance: `engine at ${address}` };
  }

  miscounted(_: string, { address }: Endpoint): void {
    this.miscountedAt.push(address);
  }

  encoded(_: string, { address }: Endpoint): void {
    this.encodedAt.push(address);
  }

  /** Those of the tests are of version w1. */
  confirmsWeights(_: string, { address }: Endpoint, weightVersion: unknown): boolean {
    const isConfirmed = weightVersion === undefined || weightVersion === "w1";
    if (!isConfirmed) this.otherWeightsAt.push(address);
    return isConfirmed;
  }

  closeSession({ address }: Endpoint, engineSession: string): void {
    this.closed.push(`${address} ${engineSession}`);
  }
}

export const letterTokens: PromptTokens = {
  encode: async (prompt) => ({ kind: "encoded", ids: Uint32Array.from(idsOf(prompt)) }),
  close: async () => {},
};

export class PathBench {
  readonly bench: TurnBench;
  readonly pool: PathPool;
  readonly engines = new KnownEngines();
  /** Plans and ends, in order. */
  readonly seen: string[] = [];
  readonly failures: unknown[] = [];
  readonly measured: MeasuredTurn[] = [];
  /** For which requests were held, in order. */
  readonly parts: string[] = [];
  /** What was begun and what it was held for. */
  readonly heldMs: number[] = [];
  /** Sessions of engines. */
  readonly #opened: string[] = [];

  constructor(bench: TurnBench, changes: Partial<PathPoolOptions> = {}) {
    this.bench = bench;
    const models = new Models({ profile: () => SMALL }, createDigests());
    const geometry = (kind: "engine" | "tokenizer" | "text") =>
      models.lookup("small")?.geometry(kind) ?? new Uint8Array();
    this.pool = new PathPool({
      pool: "p",
      model: { name: "small", geometry, rules: SMALL },
      sendTokens: true,
      retention: {
        lookup: (name) => (name === "premium" ? PREMIUM : undefined),
        defaultOf: () => STANDARD,
      },
      tokens: letterTokens,
      sessions: bench.sessions,
      turns: bench.desk,
      prefetcher: bench.prefetcher,
      engines: this.engines,
      reaches: new Reaches(bench.sites),
      bodyLimitBytes: 1_000_000,
      exposeKv: false,
      holdMs: 10_000,
      passPaths: ["/tokenize", "/load_lora_adapter"],
      dialect: createDialect({ name: "sglang-session", exposeKv: false }),
      predictor: new Predictor(),
      clock: { now: () => bench.clock.now(), after: (ms, task) => afterLoop(bench, ms, task) },
      newEngineSession: () => {
        this.#opened.push(`own-${this.#opened.length + 1}`);
        return `own-${this.#opened.length}`;
      },
      observer: {
        begun: ({ plan, promptTokens, reusedTokens, heldMs }) => {
          this.seen.push(plan === "injected" ? `${plan} ${reusedTokens}/${promptTokens}` : plan);
          this.heldMs.push(heldMs);
        },
        spent: ({ part }) => this.parts.push(part),
        measured: (turn) => this.measured.push(turn),
        ended: ({ end }) => this.seen.push(end),
        failed: (call, error) => {
          this.seen.push(`${call} failed`);
          this.failures.push(error);
        },
      },
      ...changes,
    });
  }

  begin(
    body: object | string,
    changes: Partial<TurnRequest> = {},
    path = "/generate",
  ): Promise<BegunTurn> {
    const json = typeof body === "string" ? generate(body) : body;
    const read = this.pool.readBody(path, Buffer.from(JSON.stringify(json)));
    if (!("kind" in read) || read.kind !== "body") throw new Error("unreadable, or very long");
    return this.pool.begin({
      session: session("a"),
      body: read,
      endpoint: ENGINE_A,
      fallbacks: [ENGINE_B],
      retentionClass: undefined,
      isFinal: false,
      prefetch: undefined,
      signal: new AbortController().signal,
      ...changes,
    });
  }

  /** What the engine answers that has got this body: it writes what it may, of all tokens but the last one. */
  async answerTo(begun: BegunTurn, output: string, changes: object = {}): Promise<Buffer> {
    const request = bodyOf(begun);
    const { session_params: kv, kvcache_params: explicit } = request;
    const prompt = request.input_ids?.length ?? request.text?.length ?? 0;
    const reserved = kv?.fresh_kv_cache ?? explicit?.fresh_kvcache ?? [];
    const fresh = writtenOf(reserved, prompt + output.length - 1);
    const written = fresh.map(viewSegment);
    for (const segment of fresh) await this.bench.write(segment);
    const meta = { prompt_tokens: prompt, cached_tokens: 0, completion_tokens: output.length };
    const answer = {
      text: output,
      output_ids: codesOf(output),
      meta_info: { ...meta, ...changes },
      ...(kv && { session_params: { id: kv.id, fresh_kv_cache: written, stored_kv_cache: null } }),
      ...(explicit && { kvcache_params: { id: explicit.id, fresh_kvcache: written } }),
    };
    return Buffer.from(JSON.stringify(answer));
  }

  /** A whole turn, and what the client gets of its answer. Everything is listed or dropped by then. */
  async turn(body: object | string, output: string, changes: Partial<TurnRequest> = {}) {
    const begun = await this.begin(body, changes);
    const answer = await this.answerTo(begun, output);
    const shown = begun.turn.answer(SERVED)?.push(answer, true);
    await this.ended();
    return { ...begun, shown: shown && Buffer.from(shown).toString() };
  }

  /** As many turns have ended as were injected, and as many engine sessions are closed. */
  async ended(): Promise<void> {
    const { closed } = this.engines;
    const closedAt = (name: string) => closed.some((line) => line.endsWith(` ${name}`));
    await until(() => this.#opened.every(closedAt));
  }

  /** What can go on without time passing has gone on. */
  async idle(): Promise<void> {
    for (let round = 0; round < 20; round++) await settle();
  }
}

/** What is to be done with the event loop's next turn takes no time. */
function afterLoop({ clock }: TurnBench, ms: number, task: () => void): Cancel {
  return (ms === 0 ? systemClock : clock).after(ms, task);
}

export interface InjectedBody {
  readonly input_ids?: readonly number[];
  readonly text?: string;
  readonly session_params?: {
    readonly id?: string;
    readonly stored_kv_cache?: readonly SegmentView[];
    readonly fresh_kv_cache?: readonly SegmentView[];
  };
  readonly kvcache_params?: {
    readonly id?: string;
    readonly stored_kvcache?: readonly SegmentView[];
    readonly fresh_kvcache?: readonly SegmentView[];
  };
}

interface SegmentView {
  readonly token_start: number;
  readonly token_length: number;
  readonly kv_uri: string;
  readonly kv_start: number;
}

export function bodyOf({ body }: Pick<BegunTurn, "body">): InjectedBody {
  return JSON.parse(Buffer.concat([...body]).toString());
}

/** A request by its ids, for an answer of at most 4 tokens. */
export function generate(prompt: string): object {
  return { input_ids: codesOf(prompt), sampling_params: { max_new_tokens: 4 } };
}

export function codesOf(text: string): number[] {
  return Array.from(text, (letter) => letter.charCodeAt(0));
}

function idsOf(prompt: Prompt): readonly number[] {
  if (prompt.kind === "ids") return Array.from(prompt.ids);
  if (prompt.kind === "text") return codesOf(prompt.text);
  return prompt.chat.messages.flatMap(({ content }) => codesOf(String(content)));
}

function writtenOf(fresh: readonly SegmentView[], end: number): PlannedSegment[] {
  return fresh.flatMap((part) => {
    const tokenStart = part.token_start;
    const tokenLength = Math.min(part.token_length, end - tokenStart);
    const { kv_uri: kvUri, kv_start: kvStart } = part;
    return tokenLength > 0 ? [{ tokenStart, tokenLength, kvUri, kvStart }] : [];
  });
}

function viewSegment({ tokenStart, tokenLength, kvUri, kvStart }: PlannedSegment): object {
  return {
    token_start: tokenStart,
    token_length: tokenLength,
    kv_uri: kvUri,
    kv_start: kvStart,
    kv_length: tokenLength * SMALL_TOKEN_BYTES,
  };
}

function endpointAt(address: string): Endpoint {
  const [host = "", port] = address.split(":");
  const id = address as EndpointId;
  const state = "ready";
  return { id, host, port: Number(port), address, weight: 1, labels: {}, isDraining: false, state };
}
