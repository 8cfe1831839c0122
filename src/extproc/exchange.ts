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
 */
import type { MaybePromise } from "../affinity/binding-store.ts";
import type { Decision, RouteRequest } from "../affinity/router.ts";
import { SESSION_ID_HEADER } from "../affinity/session-key.ts";
import { AppError } from "../errors.ts";
import { andThen, type ExchangePorts } from "./exchange-ports.ts";
import { HeldBody, piecesOf } from "./held-body.ts";
import { bodyModes, decodeMessage, type ProcessingMessage, type ProtocolModes } from "./message.ts";
import { encodeRefusal, type Refusal } from "./refusal.ts";
import {
  encodeAskForBody,
  encodeContinue,
  encodeReply,
  encodeStreamedBody,
  noChanges,
  type Changes,
} from "./replies.ts";
import type { RequestFacts } from "./request-reader.ts";
import { observeServed } from "./served.ts";
import type { ExchangeHandler, ReplySink } from "./transport.ts";

/** The header that names the pool for Envoy's route, where there are several. */
export const POOL_HEADER = "x-moorline-pool";

type Routed = Exclude<Decision, { kind: "refused" }>;

type State =
  /** No request headers yet. Envoy may be set up to send none: then everything passes. */
  | { readonly at: "start" }
  /** The headers are answered; the decision waits for the body, which comes in one message and has its place in the budget. */
  | { readonly at: "asked"; readonly facts: RequestFacts; takenBytes: number }
  /** Full duplex: the headers are not answered, and `held` is the body so far. */
  | { readonly at: "holding"; readonly facts: RequestFacts; readonly held: HeldBody }
  | { readonly at: "routed"; readonly request: RouteRequest; readonly decision: Routed }
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
    else this.#send(encodeAskForBody(bodyModes.buffered, this.#routingHeaders()));
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
    const { pools, reader, router } = this.#ports;
    const sessionId = facts.sessionId ?? this.#ports.mintId();
    this.#sessionId = sessionId;
    const pool = pools.forModel(facts.model);
    if (pool === undefined) {
      const message = "no pool serves the model that the request names";
      return this.#refuse(
        facts.model === undefined ? reader.missingModel(facts) : { code: "model_unknown", message },
      );
    }
    const request: RouteRequest = { pool, tenant: facts.tenant, sessionId, subset: facts.subset };
    return andThen(router.route(request), (decision) => {
      if (this.#state.at === "closed") return;
      const elapsedMs = this.#ports.clock.now() - startedAtMs;
      const { source, bodyObstacle } = facts;
      this.#ports.observer.decided({ request, decision, source, bodyObstacle, elapsedMs });
      if (decision.kind === "refused") {
        const message = `no endpoint of the pool ${pool.name} can take this request`;
        return this.#refuse({ code: decision.reason, message });
      }
      this.#send(encodeReply(replyTo, this.#routeChanges(request, decision)));
      this.#state = { at: "routed", request, decision };
    });
  }

  #routeChanges(request: RouteRequest, decision: Routed): Changes {
    const { destinationHeader: key, sendsFallbacks, pools } = this.#ports;
    let value = decision.endpoint.address;
    if (sendsFallbacks) for (const endpoint of decision.fallbacks) value += `,${endpoint.address}`;
    const set: (readonly [string, string])[] = [
      [key, value],
      [SESSION_ID_HEADER, request.sessionId],
    ];
    if (pools.hasSeveral) set.push([POOL_HEADER, request.pool.name]);
    return { set, remove: [], clearRouteCache: pools.hasSeveral, destination: { key, value } };
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
    if (state.at === "routed") return observeServed(this.#ports, state, message);
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
    this.#ports.observer.failed(AppError.from(reason));
    const state = this.#state;
    if (state.at === "closed") return;
    if (this.#ports.onError === "refuse" && !this.#isResponseStarted && state.at !== "observing") {
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

  /** Lets the request headers go on without a destination. */
  #sendUndecidedHeaders(): void {
    this.#send(encodeReply("requestHeaders", { ...noChanges, remove: this.#routingHeaders() }));
  }

  /** A client's own must not survive, not even until the decision. */
  #routingHeaders(): readonly string[] {
    return [this.#ports.destinationHeader, POOL_HEADER];
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
    this.#state = { at: "closed" };
  }
}
