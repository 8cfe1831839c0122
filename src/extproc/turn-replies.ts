/**
 * What a TurnExchange says to Envoy, in one of two ways for each direction. Asked for: the request's body is one message, the
 * response's comes chunk for chunk, each with exactly one reply. Full duplex: headers wait for the body, and bodies go out in
 * pieces of our own.
 */
import { SESSION_ID_HEADER } from "../affinity/session-key.ts";
import type { ExchangePorts } from "./exchange-ports.ts";
import { piecesOf } from "./held-body.ts";
import { bodyModes, type MessageKind, type ProtocolModes } from "./message.ts";
import { encodeRefusal, type Refusal } from "./refusal.ts";
import {
  encodeAskForBodies,
  encodeBody,
  encodeContinue,
  encodeHold,
  encodeReply,
  encodeStreamedBody,
  noChanges,
} from "./replies.ts";
import {
  KV_CLASS_HEADER,
  KV_FINAL_HEADER,
  KV_PREFETCH_HEADER,
  KV_STATUS_HEADER,
} from "./request-reader.ts";
import { routeChanges, routingHeaders, type Routed } from "./route.ts";
import type { ReplySink } from "./transport.ts";

/** What follows the bytes of a body in full duplex: its end, which its last piece carries, or trailers. */
export type Next = "end" | "trailers";

/** Gone before an engine sees the request: they say what the body is no more, or are meant for us. */
const REMOVED_HEADERS = [
  "content-length",
  "content-encoding",
  "accept-encoding",
  KV_STATUS_HEADER,
  KV_CLASS_HEADER,
  KV_FINAL_HEADER,
  KV_PREFETCH_HEADER,
];

export interface AnswerHeaders {
  readonly sessionId: string;
  readonly kvStatus: string | undefined;
  /** The body may get another length. */
  readonly isFiltered: boolean;
}

export class TurnReplies {
  readonly isRequestDuplex: boolean;
  readonly isResponseDuplex: boolean;
  readonly #ports: ExchangePorts;
  readonly #sink: ReplySink;
  /** In full duplex the end was passed on, and a second one must not be (envoy#46237). */
  #isResponseEnded = false;

  constructor(ports: ExchangePorts, sink: ReplySink, modes: ProtocolModes) {
    this.#ports = ports;
    this.#sink = sink;
    this.isRequestDuplex = modes.requestBody === bodyModes.fullDuplexStreamed;
    this.isResponseDuplex = modes.responseBody === bodyModes.fullDuplexStreamed;
  }

  /** Lets the request headers go on to the body. Not in full duplex. */
  askForBodies(): void {
    const response = this.isResponseDuplex ? bodyModes.fullDuplexStreamed : bodyModes.streamed;
    const remove = [...REMOVED_HEADERS, ...routingHeaders(this.#ports)];
    this.#sink.send(encodeAskForBodies({ request: bodyModes.buffered, response }, remove));
  }

  /** Has Envoy wait for the request's body. In full duplex it waits without a limit. */
  hold(durationMs: number): void {
    if (!this.isRequestDuplex) this.#sink.send(encodeHold(durationMs));
  }

  requestBody(routed: Routed, pieces: readonly Uint8Array[], next: Next): void {
    const changes = routeChanges(this.#ports, routed);
    if (this.isRequestDuplex) {
      this.#sink.send(encodeReply("requestHeaders", { ...changes, remove: REMOVED_HEADERS }));
      this.#pieces("requestBody", Buffer.concat(pieces), next === "end");
      if (next === "trailers") this.goOn("requestTrailers");
      return;
    }
    const sizeBytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    const set = [...changes.set, ["content-length", String(sizeBytes)] as const];
    this.#sink.send(encodeBody("requestBody", { ...changes, set }, pieces));
  }

  responseHeaders({ sessionId, kvStatus, isFiltered }: AnswerHeaders): void {
    const set: (readonly [string, string])[] = [[SESSION_ID_HEADER, sessionId]];
    if (kvStatus !== undefined) set.push([KV_STATUS_HEADER, kvStatus]);
    const remove = isFiltered ? ["content-length"] : [];
    this.#sink.send(encodeReply("responseHeaders", { ...noChanges, set, remove }));
  }

  /** In place of one chunk, possibly nothing. */
  responseChunk(bytes: Uint8Array, isEnd: boolean): void {
    if (!this.isResponseDuplex) {
      return this.#sink.send(encodeBody("responseBody", noChanges, [bytes]));
    }
    if (this.#isResponseEnded) return;
    this.#isResponseEnded = isEnd;
    if (bytes.byteLength > 0 || isEnd) this.#pieces("responseBody", bytes, isEnd);
  }

  /** Full duplex only: a last piece, before trailers. */
  responseRest(bytes: Uint8Array): void {
    this.#pieces("responseBody", bytes, false);
  }

  goOn(kind: MessageKind): void {
    this.#sink.send(encodeContinue(kind));
  }

  refuse(refusal: Refusal, sessionId: string): void {
    this.#ports.observer.refused(refusal.code);
    this.#sink.send(encodeRefusal(refusal, sessionId));
  }

  /** Makes sure that a response that has begun does not end well. */
  breakOff(): void {
    this.#sink.fail();
  }

  #pieces(to: "requestBody" | "responseBody", body: Uint8Array, isEnd: boolean): void {
    for (const { bytes, endOfStream } of piecesOf(body, isEnd)) {
      this.#sink.send(encodeStreamedBody(to, bytes, endOfStream));
    }
  }
}
