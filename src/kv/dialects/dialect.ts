/**
 * What is peculiar to one engine's requests and answers, and nothing else. Pure and synchronous: bytes in, bytes out. Bodies are
 * scanned and spliced, never written anew: also where a key that is read or written here comes twice, of which the last value wins as
 * in the engines, or is spelled with an escape.
 *
 * Whatever a client sends: the members that only the service may send (`stored_kv_cache`, `fresh_kv_cache`, `stored_kvcache`,
 * `fresh_kvcache`, `kvcache_params`) are removed wherever they are, in every dialect, on every path. A forged `kv_uri` would have
 * the engine read another user's file. An `id_slot` at the root is removed as they are in `llamacpp-slots`: with it, a client would write
 * into the slot in which somebody else's session is.
 */
import type { JsonVisitor } from "../../json/json-walk.ts";
import type { Slices } from "../../json/slices.ts";
import type { ChainContext } from "../chain/chain-format.ts";
import type { EngineSegment, PlannedSegment } from "../turns/turn-plan.ts";

export type DialectName = "sglang-session" | "sglang-explicit" | "llamacpp-slots";

export interface Dialect {
  readonly name: DialectName;
  /** What its turns are injected with. */
  readonly injects: Injection["kind"];
  /** Its engines load for a request that has nowhere to store. Others refuse it. */
  readonly loadsAlone: boolean;
  /** Turns may be chats, which its engines render. */
  readonly takesChats: boolean;
  /** Of every body that goes to a KV pool. `path`: before the query, as the client sent it. Both are untrusted. */
  readBody(path: string, body: Uint8Array): ReadBody | UnreadableBody;
  /** The same in slices. `also`: told of the body while it is scanned. */
  readBodyInSlices(
    path: string,
    body: Uint8Array,
    also?: JsonVisitor,
  ): Slices<ReadBody | UnreadableBody>;
}

/** Not strict UTF-8, not one JSON text, or nested deeper than `JSON_DEPTH_LIMIT`: what it would be to an engine, nobody can say. */
export interface UnreadableBody {
  readonly kind: "unreadable";
  /** The first byte that does not fit. */
  readonly offset: number;
}

export interface ReadBody {
  readonly kind: "body";
  /** The body without the members that were removed, with a null in place of an id beside them, and with what keeps it apart from other tenants. Piece after piece. */
  readonly stripped: readonly Uint8Array[];
  /** Members that were removed. */
  readonly removed: number;
  readonly turn: TurnBody | NoTurn;
}

/** The request goes to the engine as it is in `stripped`. */
export interface NoTurn {
  readonly kind: "none";
  readonly reason: NoTurnReason;
}

/** Why a request can neither load nor store. A value of `x-moorline-kv` and of a metric's label. */
export type NoTurnReason =
  | "path" // no path on which the dialect's engine takes KV
  | "body" // no object, or a field of it is not what the engine takes
  | "native_session" // it uses the engine's own sessions
  | "batch" // several prompts
  | "samples" // several answers to one prompt
  | "media" // images, audio, video or embeddings are part of the prompt
  | "adapter" // it asks for a LoRA adapter
  | "unknown_field"; // or a value of which the same is true: what it does to the prompt, nobody here knows

/** One prompt that may be continued from KV. */
export interface TurnBody {
  readonly kind: "turn";
  readonly prompt: Prompt;
  /** The most tokens that the answer may have, by the request or the engine's default; undefined: as many as the engine likes. */
  readonly maxNewTokens: number | undefined;
  readonly context: ChainContext;
  /** Of the kind that the dialect injects. Where nothing is loaded and nothing stored, the engine is told of no session, and asked for nothing. */
  inject(injection: Injection): InjectedBody;
}

export interface InjectedBody {
  /** For the engine, piece after piece. */
  readonly pieces: readonly Uint8Array[];
  /** For the answer to it. It is kept while the engine answers, so nothing of the body may hang on it. */
  readonly openAnswer: (form: AnswerForm) => AnswerReader;
}

export type Prompt =
  | { readonly kind: "ids"; readonly ids: Uint32Array }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "chat"; readonly chat: ChatPrompt };

/** Parsed JSON, as the client sent it. */
export interface ChatPrompt {
  /** At least one; each an object with a `role`, and a `content` that is a text, null, absent, or a list of text parts. */
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  readonly tools: readonly unknown[] | undefined;
  readonly templateKwargs: Readonly<Record<string, unknown>>;
  readonly continueFinalMessage: boolean;
}

export type Injection = SegmentInjection | SlotInjection;

/** For an engine that keeps its KV in slots and restores whole ones: nothing but which slot the turn goes to. */
export interface SlotInjection {
  readonly kind: "slot";
  /** One that the engine has: it would take another number for one of these. */
  readonly slot: number;
}

/** For an engine that loads and stores what it is told to. */
export interface SegmentInjection {
  readonly kind: "segments";
  /** The id of the engine's own session for this turn, which no other turn has. */
  readonly engineSession: string;
  /** From token 0, without gaps; empty: nothing is loaded. */
  readonly stored: readonly PlannedSegment[];
  /** From where `stored` ends; empty: nothing is stored. */
  readonly fresh: readonly PlannedSegment[];
  /** Sent in place of the text of a `text` prompt; undefined: the engine gets the prompt as the client sent it. */
  readonly inputIds: ArrayLike<number> | undefined;
  /** The engine's streams tell their usage to whoever does not ask. False unless given. */
  readonly tellsUsage?: boolean | undefined;
}

/** Not 2xx; else by the response's content type: server-sent events, or one JSON text. */
export type AnswerForm = "error" | "events" | "json";

/**
 * One answer on its way to the client. The members that answer what was injected are removed, with the events that have nothing else,
 * and nothing else is changed, delayed or reordered: an event that is whole goes on at once.
 */
export interface AnswerReader {
  /** What the client gets now in place of this chunk, which is only lent; possibly nothing, or a view of the chunk. */
  push(chunk: Uint8Array): Uint8Array;
  /** At the end of the stream: what was held back, and what the engine said. */
  finish(): AnswerEnd;
}

export interface AnswerEnd {
  readonly rest: Uint8Array;
  /** Undefined: it was not whole (no `[DONE]`, JSON cut short), an error, or not understood. */
  readonly answer: EngineAnswer | undefined;
}

/** As the engine says it. Nothing in it is believed. */
export interface EngineAnswer {
  readonly promptTokens: number | undefined;
  readonly cachedTokens: number | undefined;
  readonly completionTokens: number | undefined;
  /** Of the weights that computed it, as parsed JSON; undefined where the engine does not tell it. */
  readonly weightVersion: unknown;
  /** Undefined where the engine does not tell the ids of the answer. */
  readonly outputIds: readonly number[] | undefined;
  /** Of the last, authoritative report; empty where it stored nothing. */
  readonly segments: readonly EngineSegment[];
}
