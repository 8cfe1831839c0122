/**
 * Turns of the tests' own, for exchanges without a KV service behind them: a body for the engine ends in a member of ours, and a
 * marker in the answer is for us alone. Says what it was asked, in order, and fails or waits where it is told to.
 */
import { jsonText } from "../../src/json/json-tokens.ts";
import { type JsonVisitor, walkJson } from "../../src/json/json-walk.ts";
import type {
  AnswerFilter,
  AnswerHead,
  BegunTurn,
  KvPool,
  PathTurn,
  TurnPath,
  TurnRequest,
  WeighRequest,
} from "../../src/kv/path/turn-path.ts";
import type { ReadBody, UnreadableBody } from "../../src/kv/dialects/dialect.ts";

/** At the end of an object: what a turn adds to a body. */
export const INJECTED = ',"kv":"ours"}';
/** Taken out of every answer that has a turn. Ends in a blank line, as an event does. */
export const MARKER = 'data: {"kv":"secret"}\n\n';

export type Fault = "readBody" | "begin" | "answer" | "push";

export interface MarkedTurnsOptions {
  /** Pools with KV; `default` unless given. */
  readonly pools?: readonly string[];
  readonly bodyLimitBytes?: number;
  /** By pool, of those that have one of their own. */
  readonly bodyLimits?: Readonly<Record<string, number>>;
  /** By pool. */
  readonly passPaths?: Readonly<Record<string, readonly string[]>>;
}

/** Of every pool. */
export const FORBIDDEN_PATH = "/forbidden";

export class MarkedTurns implements TurnPath {
  readonly log: string[] = [];
  readonly requests: TurnRequest[] = [];
  /** `begin` answers when this has, and costs are there. */
  gate: Promise<void> | undefined;
  fault: Fault | undefined;
  /** Of turns, by the endpoint's address; undefined: nobody weighs them. */
  costs: Readonly<Record<string, number>> | undefined;
  /** Of those offered; undefined: all. */
  fallbacks: TurnRequest["fallbacks"] | undefined;
  readonly #options: MarkedTurnsOptions;

  constructor(options: MarkedTurnsOptions = {}) {
    this.#options = options;
  }

  pool(name: string): KvPool | undefined {
    const { pools = ["default"], bodyLimitBytes = 1024, bodyLimits, passPaths } = this.#options;
    if (!pools.includes(name)) return undefined;
    return {
      bodyLimitBytes: bodyLimits?.[name] ?? bodyLimitBytes,
      holdMs: 2_500,
      forbids: (path) => path === FORBIDDEN_PATH,
      passes: (rawPath) => passPaths?.[name]?.includes(rawPath) === true,
      readBody: (path, body, also) => this.#readBody(path, body, also),
      weigh: (request) => this.#weigh(request),
      begin: (request) => this.#begin(request),
    };
  }

  failAt(fault: Fault): void {
    if (this.fault === fault) throw new Error(`a bug in ${fault}`);
  }

  #weigh({ session }: WeighRequest): ReturnType<KvPool["weigh"]> {
    const { costs } = this;
    if (costs === undefined) return undefined;
    return async () => {
      this.log.push(`weigh ${session.id}`);
      await this.gate;
      return ({ address }) => costs[address] ?? 0;
    };
  }

  #readBody(
    path: string,
    body: Uint8Array,
    also: JsonVisitor | undefined,
  ): ReadBody | UnreadableBody {
    this.failAt("readBody");
    this.log.push(`read ${path}`);
    try {
      JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    } catch {
      return { kind: "unreadable", offset: body.indexOf(0xff) };
    }
    if (also !== undefined) walkJson(jsonText(body), also);
    return { kind: "body", stripped: [body], removed: 0, turn: { kind: "none", reason: "path" } };
  }

  async #begin(request: TurnRequest): Promise<BegunTurn> {
    this.requests.push(request);
    this.log.push(`begin ${request.session.id}`);
    await this.gate;
    this.failAt("begin");
    const body = Buffer.concat(request.body.stripped);
    return {
      body: [body.subarray(0, -1), Buffer.from(INJECTED)],
      fallbacks: this.fallbacks ?? request.fallbacks,
      status: "reused=64",
      turn: new MarkedTurn(this),
    };
  }
}

class MarkedTurn implements PathTurn {
  readonly #turns: MarkedTurns;

  constructor(turns: MarkedTurns) {
    this.#turns = turns;
  }

  withholds({ contentEncoding }: AnswerHead): boolean {
    if (contentEncoding !== "") this.#turns.log.push(`withhold ${contentEncoding}`);
    return contentEncoding !== "";
  }

  answer(head: AnswerHead): AnswerFilter | undefined {
    this.#turns.failAt("answer");
    const {
      status,
      contentType,
      contentEncoding,
      servedBy = "nobody",
      attempts = "unknown",
    } = head;
    const told = [status, contentType, contentEncoding || "plain", servedBy, attempts];
    this.#turns.log.push(`answer ${told.join(" ")}`);
    return status === 200 ? new MarkedAnswer(this.#turns) : undefined;
  }

  abandon(): void {
    this.#turns.log.push("abandon");
  }
}

class MarkedAnswer implements AnswerFilter {
  readonly #turns: MarkedTurns;
  #text = "";

  constructor(turns: MarkedTurns) {
    this.#turns = turns;
  }

  push(chunk: Uint8Array, isEnd: boolean): Uint8Array {
    this.#turns.failAt("push");
    const text = (this.#text + Buffer.from(chunk).toString("latin1")).replaceAll(MARKER, "");
    const held = isEnd ? 0 : markerBegunAtEnd(text);
    this.#text = text.slice(text.length - held);
    if (isEnd) this.#turns.log.push("end");
    return Buffer.from(text.slice(0, text.length - held), "latin1");
  }
}

/** How many of the last characters may be the first of a marker. */
function markerBegunAtEnd(text: string): number {
  for (let length = Math.min(MARKER.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(MARKER.slice(0, length))) return length;
  }
  return 0;
}
