/**
 * Turns in the request path, as an exchange sees them: it shows each body of a KV pool, sends on what it is given back, and tells
 * how the exchange ended. What is planned, stored and committed is none of its business.
 */
import type { MaybePromise } from "../../affinity/binding-store.ts";
import type { Endpoint } from "../../endpoints/endpoint.ts";
import type { JsonVisitor } from "../../json/json-walk.ts";
import type { ReadBody, UnreadableBody } from "../dialects/dialect.ts";
import type { SessionKey } from "../records.ts";

export interface TurnPath {
  /** Undefined where the pool's requests pass as they are. Asked for each request; the same answer each time. */
  pool(name: string): KvPool | undefined;
}

/** Of a process that knows no KV pool. */
export const noTurns: TurnPath = { pool: () => undefined };

export interface KvPool {
  readonly bodyLimitBytes: number;
  /** How long Envoy is asked to wait for the answer to a request body (`max_message_timeout` must allow it). */
  readonly holdMs: number;
  /**
   * Whether no client's request on this path, before its query and as the client sent it, may reach an engine, with a body or without: what is
   * there would let one client read or take what is another's, or have an engine compute otherwise for everybody.
   */
  forbids(path: string): boolean;
  /** Whether bodies on this raw path, with its query, pass unread, by the operator's word. */
  passes(rawPath: string): boolean;
  /**
   * Of every other body, of which `also` is told while it is scanned. Throws for a bug only. One that is long is read in slices,
   * between which the event loop is everybody's.
   */
  readBody(
    path: string,
    body: Uint8Array,
    also?: JsonVisitor,
  ): MaybePromise<ReadBody | UnreadableBody>;
  /**
   * Before an endpoint is chosen for the turn: undefined, at once and at no cost, where it is the same to the turn which one it is;
   * else who can say what each costs. That never rejects, and takes a small part of `holdMs`; undefined: nobody knows.
   */
  weigh(request: WeighRequest): (() => Promise<CostMs | undefined>) | undefined;
  /**
   * Plans the turn. Rejects for a bug only: what cannot be planned goes on without reuse, with the reason in `status`. Every turn that
   * was begun must be answered or abandoned.
   */
  begin(request: TurnRequest): Promise<BegunTurn>;
}

export interface WeighRequest extends Pick<TurnRequest, "session" | "body"> {
  /** Of one snapshot of the pool: the same object for as long as nothing of it changes. */
  readonly endpoints: readonly Endpoint[];
}

/** By which endpoints of one turn are compared: less is sooner. In milliseconds to the first token where so much is learned. */
export type CostMs = (endpoint: Endpoint) => number;

export interface TurnRequest {
  readonly session: SessionKey;
  /** Of `readBody`, while the body that it views is still there; not kept past the answer of `begin`. */
  readonly body: ReadBody;
  /** The first offered, and those that Envoy may go on to. */
  readonly endpoint: Endpoint;
  readonly fallbacks: readonly Endpoint[];
  /** A retention class that the client named; one that is not configured counts as none. */
  readonly retentionClass: string | undefined;
  /** The session is over with this turn. */
  readonly isFinal: boolean;
  /** What it has is brought near meanwhile; this request does not wait for that. */
  readonly prefetch: SessionKey | undefined;
  /** Aborted when the exchange is over: nobody waits for what is planned. */
  readonly signal: AbortSignal;
}

export interface BegunTurn {
  /** For the engine, piece after piece. Not kept with the turn: it is as large as the client's. */
  readonly body: readonly Uint8Array[];
  /** Those that may serve this body after the first, in the order of Envoy's tries; where nobody else may, each again and again. */
  readonly fallbacks: readonly Endpoint[];
  /** For `x-moorline-kv`: what is reused, or why nothing is. Visible ASCII. */
  readonly status: string;
  readonly turn: PathTurn;
}

export interface PathTurn {
  /** The response has begun. True: nobody may see its body, as what is ours cannot be taken out of it, and the turn is over. */
  withholds(head: AnswerHead): boolean;
  /**
   * It has begun, and is not withheld. Undefined: its body passes as it is, and the turn is over. Otherwise it goes through the
   * filter, and the turn is committed or aborted by what it said.
   */
  answer(head: AnswerHead): AnswerFilter | undefined;
  /** The exchange ended in some other way: without a response, or before the filter saw the end. Idempotent; does not throw. */
  abandon(): void;
}

export interface AnswerHead {
  readonly status: number;
  readonly contentType: string;
  readonly contentEncoding: string;
  /** Who served, as Envoy says; undefined where it does not: a local reply, or nobody knows. */
  readonly servedBy: string | undefined;
  /** Undefined: nobody knows. More than one engine may have written. */
  readonly attempts: number | undefined;
}

export interface AnswerFilter {
  /** What the client gets in place of the chunk, which is only lent. With `isEnd`, the turn is committed, or aborted. Does not throw for anything in the bytes. */
  push(chunk: Uint8Array, isEnd: boolean): Uint8Array;
}
