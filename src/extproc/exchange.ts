/**
 * One HTTP request and its response, seen as one ext_proc stream: which message is this, and what may be answered now.
 *
 * The destination is decided at the request headers whenever they say enough. Otherwise the body is needed first, in one of two
 * ways: Envoy is asked to send it in one piece (`asked`; the decision goes out with the body reply), or, where Envoy streams in
 * full duplex, the headers reply is held back together with the body (`holding`). Bodies go on byte for byte.
 *
 * Every message is answered once, in order, in the form that its body mode asks for: one reply per message, except in full
 * duplex, where bodies are sent back as `streamed_response` pieces. A fault of ours ends the stream cleanly, which Envoy
 * treats as "go on without the server" (docs/architecture.md), but never before held bytes are sent.
 *
 * Where the pool has KV, or may have, all of this is a TurnExchange's: there nothing goes on without us.
 */
import type { MaybePromise } from "../affinity/binding-store.ts";
import { SESSION_ID_HEADER } from "../affinity/session-key.ts";
import { AppError } from "../errors.ts";
import { andThen, type ExchangePorts } from "./exchange-ports.ts";
import { HeldBody, piecesOf } from "./held-body.ts";
import { bodyModes, decodeMessage, type ProcessingMessage, type ProtocolModes } from "./message.ts";
import { encodeRefusal, type Refusal } from "./refusal.ts";
import {
  encodeAskForBodies,
  encodeContinue,
  encodeReply,
  encodeStreamedBody,
  noChanges,
} from "./replies.ts";
import type { RequestFacts } from "./request-reader.ts";
import { decideRoute, routeChanges, routingHeaders, type Routed } from "./route.ts";
import { isLocalReply, observeServed } from "./served.ts";
import type { ExchangeHandler, ReplySink } from "./transport.ts";
import { TurnExchange } from "./turn-exchange.ts";
import { readTurnOpening } from "./turn-opening.ts";

type State =
  /** No request headers yet. Envoy may be set up to send none: then everything passes. */
  | { readonly at: "start" }
  /** The headers are answered; the decision waits for the body, which comes in one message and has its place in the budget. */
  | { readonly at: "asked"; readonly facts: RequestFacts; takenBytes: number }
  /** Full duplex: the headers are not answered, and `held` is the body so far. */
  | { readonly at: "holding"; readonly facts: RequestFacts; readonly held: HeldBody }
  | { readonly at: "routed"; readonly routed: Routed }
  /** The body goes, or may go, to a pool with KV. */
  | { readonly at: "turn"; readonly turn: TurnExchange }
  /** Observability mode: nothing is answered. */
  | { readonly at: "observing" }
  /** Refused, failed, ended or reset: nothing more is said. */
  | { readonly at: "closed" };

const notAnnounced: ProtocolModes = {
  requestBody: bodyModes.none,
  responseBody: bodyModes.none,
};

export class Exchange implements ExchangeHandler {
  readonly #ports: ExchangePorts;
  readonly #sink: ReplySink;
  #state: State = { at: "start" };
  #modes = notAnnounced;
  /** Echoed in the response; undefined until it is known. */
  #sessionId: string | undefined = undefined;
  /** Full duplex: the end of the body was passed on, and a second one must not be (envoy#46237). */
  #isRequestEnded = false;
  #isResponseEnded = false;
  #isResponseStarted = false;
  #isOpen = true;

  constructor(ports: ExchangePorts, sink: ReplySink) {
    this.#ports = ports;
    this.#sink = sink;
  }

  message(bytes: Uint8Array): MaybePromise<void> {
    if (this.#state.at === "closed") return;
    try {
      const pending = this.#handle(decodeMessage(bytes, this.#ports.wanted));
      return pending?.catch((reason: unknown) => this.#fail(reason));
    } catch (reason) {
      this.#fail(reason);
    }
  }

  end(): void {
    this.#close();
  }

  cancel(): void {
    this.#close();
  }

  #handle(message: ProcessingMessage): MaybePromise<void> {
    if (message.modes !== undefined) this.#modes = message.modes;
    if (message.isObservability) return this.#observe(message);
    if (this.#state.at === "turn") return this.#state.turn.message(message);
    if (this.#state.at === "start") this.#assertHeadersFirst(message);
    switch (message.kind) {
      case "requestHeaders":
        return this.#onRequestHeaders(message);
      case "requestBody":
        return this.#onRequestBody(message);
      case "requestTrailers":
        return andThen(this.#releaseHeld("trailers"), () => {
          if (this.#state.at !== "closed") this.#send(encodeContinue("requestTrailers"));
        });
      case "responseHeaders":
        return this.#onResponseHeaders(message);
      case "responseBody":
        return this.#onResponseBody(message);
      case "responseTrailers":
        return this.#send(encodeContinue("responseTrailers"));
      case undefined:
        throw new AppError("wire_invalid", "a ProcessingRequest without a known message");
    }
  }

  #observe(message: ProcessingMessage): void {
    if (message.kind === "requestHeaders") this.#ports.observer.observed();
    this.#state = { at: "observing" };
  }

  #onRequestHeaders(message: ProcessingMessage): MaybePromise<void> {
    if (this.#state.at !== "start") {
      throw new AppError("wire_invalid", "request headers came twice in one stream");
    }
    const startedAtMs = this.#ports.clock.now();
    const facts = this.#ports.reader.readHeaders(message);
    if ("code" in facts) return this.#refuse(facts);
    this.#sessionId = facts.sessionId;
    const bodyBytes = this.#ports.reader.bytesToWaitFor(facts, message);
    const opening = { facts, message, modes: this.#modes, isBodyRead: bodyBytes !== undefined };
    const turnOpening = readTurnOpening(this.#ports, opening);
    if (turnOpening !== undefined) {
      const turn = new TurnExchange(this.#ports, this.#sink, turnOpening);
      this.#state = { at: "turn", turn };
      return turn.ask();
    }
    if (bodyBytes === undefined) return this.#decide(facts, "requestHeaders", startedAtMs);
    const mode = this.#modes.requestBody;
    if (mode === bodyModes.fullDuplexStreamed) {
      this.#state = { at: "holding", facts, held: new HeldBody(this.#ports.budget) };
      return;
    }
    if (!this.#ports.budget.tryTake(bodyBytes)) {
      facts.bodyObstacle = "body_budget_full";
      return this.#decide(facts, "requestHeaders", startedAtMs);
    }
    this.#state = { at: "asked", facts, takenBytes: bodyBytes };
    if (mode === bodyModes.buffered) this.#sendUndecidedHeaders();
    else {
      const wanted = { request: bodyModes.buffered, response: bodyModes.none };
      this.#send(encodeAskForBodies(wanted, routingHeaders(this.#ports)));
    }
  }

  #onRequestBody(message: ProcessingMessage): MaybePromise<void> {
    const state = this.#state;
    if (state.at === "asked") {
      const startedAtMs = this.#ports.clock.now();
      this.#ports.reader.readBody(state.facts, message.body);
      this.#giveBack(state);
      return this.#decide(state.facts, "requestBody", startedAtMs);
    }
    if (this.#modes.requestBody !== bodyModes.fullDuplexStreamed) {
      return this.#send(encodeContinue("requestBody"));
    }
    if (this.#isRequestEnded) return;
    this.#isRequestEnded = message.endOfStream;
    if (state.at !== "holding") return this.#echo("requestBody", message);

    const isWhole = message.endOfStream;
    const isWithin = state.held.add(message.body, this.#ports.bodyLimitBytes);
    if (isWhole || !isWithin) return this.#releaseHeld(isWhole ? "end" : "more");
  }

  /**
   * Decides on what is held and passes it on; nothing where nothing is held. `next` says what follows the held bytes: the end of
   * the stream (which they then carry), trailers, or more of a body that grew over its limit and was not read.
   */
  #releaseHeld(next: "end" | "trailers" | "more"): MaybePromise<void> {
    const state = this.#state;
    if (state.at !== "holding") return;
    const startedAtMs = this.#ports.clock.now();
    if (next === "more") state.facts.bodyObstacle = "body_too_large";
    else this.#ports.reader.readBody(state.facts, state.held.whole());
    return andThen(this.#decide(state.facts, "requestHeaders", startedAtMs), () => {
      if (this.#state.at !== "closed") this.#sendHeld(state.held, next === "end");
      state.held.release();
    });
  }

  #sendHeld(held: HeldBody, endOfStream: boolean): void {
    for (const piece of held.pieces(endOfStream)) {
      this.#send(encodeStreamedBody("requestBody", piece.bytes, piece.endOfStream));
    }
  }

  #decide(
    facts: RequestFacts,
    replyTo: "requestHeaders" | "requestBody",
    startedAtMs: number,
  ): MaybePromise<void> {
    return andThen(decideRoute(this.#ports, facts, startedAtMs), (routed) => {
      this.#sessionId = facts.sessionId;
      if (this.#state.at === "closed") return;
      if ("code" in routed) return this.#refuse(routed);
      this.#send(encodeReply(replyTo, routeChanges(this.#ports, routed)));
      this.#state = { at: "routed", routed };
    });
  }

  #onResponseHeaders(message: ProcessingMessage): MaybePromise<void> {
    this.#isResponseStarted = true;
    const state = this.#state;
    const isRequestSeen = state.at !== "start";
    if (isRequestSeen) this.#sessionId ??= this.#ports.mintId();
    this.#send(
      this.#sessionId === undefined
        ? encodeContinue("responseHeaders")
        : encodeReply("responseHeaders", {
            ...noChanges,
            set: [[SESSION_ID_HEADER, this.#sessionId]],
          }),
    );
    if (state.at === "routed") return observeServed(this.#ports, state.routed, message);
  }

  #onResponseBody(message: ProcessingMessage): void {
    if (this.#modes.responseBody !== bodyModes.fullDuplexStreamed) {
      return this.#send(encodeContinue("responseBody"));
    }
    if (this.#isResponseEnded) return;
    this.#isResponseEnded = message.endOfStream;
    this.#echo("responseBody", message);
  }

  #echo(to: "requestBody" | "responseBody", message: ProcessingMessage): void {
    for (const piece of piecesOf(message.body, message.endOfStream)) {
      this.#send(encodeStreamedBody(to, piece.bytes, piece.endOfStream));
    }
  }

  #refuse(refusal: Refusal): void {
    this.#ports.observer.refused(refusal.code);
    const isOwnIdWrong = refusal.code === "session_id_invalid";
    const echo = isOwnIdWrong
      ? undefined
      : (refusal.sessionId ?? this.#sessionId ?? this.#ports.mintId());
    this.#send(encodeRefusal(refusal, echo));
    this.#enterClosed();
  }

  /** A fault of ours. Fails open by a clean end (with held bytes sent first), or closed by a 503 while that is still possible. */
  #fail(reason: unknown): void {
    if (this.#state.at === "turn") return this.#state.turn.fail(reason);
    this.#ports.observer.failed(AppError.from(reason));
    const state = this.#state;
    if (state.at === "closed") return;
    const isRefused = this.#ports.onError === "refuse" || (state.at === "start" && this.#hasKv());
    if (isRefused && !this.#isResponseStarted && state.at !== "observing") {
      this.#refuse({ code: "internal_error", message: "Moorline could not route the request" });
      return;
    }
    if (state.at === "holding") {
      this.#sendUndecidedHeaders();
      this.#sendHeld(state.held, this.#isRequestEnded);
    }
    this.#sink.end();
    this.#close();
  }

  /** Nothing is known of a request whose headers did not come: it may be one for a pool with KV, if Envoy did not answer it itself. */
  #assertHeadersFirst(message: ProcessingMessage): void {
    const isRequest = message.kind === "requestBody" || message.kind === "requestTrailers";
    const isAnswer = message.kind === "responseHeaders" && !isLocalReply(message);
    if (!(isRequest || isAnswer) || !this.#hasKv()) return;
    const need = "pools with KV need Envoy to send request headers (request_header_mode: SEND)";
    throw new AppError("envoy_unsuited", need);
  }

  #hasKv(): boolean {
    const { pools, turns } = this.#ports;
    return pools.all().some(({ name }) => turns.pool(name) !== undefined);
  }

  /** Lets the request headers go on without a destination. */
  #sendUndecidedHeaders(): void {
    this.#send(
      encodeReply("requestHeaders", { ...noChanges, remove: routingHeaders(this.#ports) }),
    );
  }

  #send(reply: Uint8Array): void {
    if (this.#isOpen) this.#sink.send(reply);
  }

  /** The stream is over, however it ended. */
  #close(): void {
    this.#enterClosed();
    this.#isOpen = false;
  }

  #giveBack(asked: { takenBytes: number }): void {
    this.#ports.budget.give(asked.takenBytes);
    asked.takenBytes = 0;
  }

  #enterClosed(): void {
    if (this.#state.at === "holding") this.#state.held.release();
    if (this.#state.at === "asked") this.#giveBack(this.#state);
    if (this.#state.at === "turn") this.#state.turn.close();
    this.#state = { at: "closed" };
  }
}
