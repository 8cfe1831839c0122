/**
 * One exchange with a pool that has KV, or that may have: its model is still to come from the body. The whole body is shown to the
 * pool before a byte of it reaches an engine, and the answer goes to the client through the turn's filter.
 *
 *     asked ─────► held ─► routed ─► answering ─► passing ─► closed
 *     gathering ──┘
 *
 * Bodies come in one of two ways. Envoy is asked for them (`asked`): the request's in one message, the response's chunk for chunk,
 * with one answer to each. Or Envoy streams in full duplex: the headers wait until the body is whole (`gathering`), and bodies go
 * out in pieces of our own.
 *
 * Nothing here fails open. To go on without us would hand a client's forged members to an engine, or the engine's to the client: a
 * fault is a 503 before the response has begun, and a broken response after that.
 */
import type { MaybePromise } from "../affinity/binding-store.ts";
import { AppError } from "../errors.ts";
import type { ReadBody } from "../kv/dialects/dialect.ts";
import type { AnswerFilter, PathTurn, TurnRequest } from "../kv/path/turn-path.ts";
import { PLACE_LIMIT_BYTES } from "./body-budget.ts";
import type { ExchangePorts } from "./exchange-ports.ts";
import { HeldBody } from "./held-body.ts";
import { bodyModes, type ProcessingMessage, type ProtocolModes } from "./message.ts";
import { answerEncoded, bodyRefusals, type Refusal } from "./refusal.ts";
import type { RequestFacts, TurnHeaders } from "./request-reader.ts";
import { type Routed, withFallbacks } from "./route.ts";
import { answerHead, isLocalReply, observeServed } from "./served.ts";
import type { ReplySink } from "./transport.ts";
import { type KvBody, readTurnBody } from "./turn-body.ts";
import { TurnReplies, type Next } from "./turn-replies.ts";
import type { ReadOpening } from "./turn-opening.ts";
import { decideTurn } from "./turn-route.ts";

type State =
  /** Nothing is answered yet. */
  | { readonly at: "start" }
  /** Envoy was asked for the body, which has a place in the budget. */
  | { readonly at: "asked"; readonly takenBytes: number }
  /** Full duplex: the headers are not answered, and `held` is the body so far. */
  | { readonly at: "gathering"; readonly held: HeldBody }
  /** The body is whole, and Envoy waits for what becomes of it. */
  | { readonly at: "held" }
  /** The body has gone on. Without a turn the response goes through as it is. */
  | { readonly at: "routed"; readonly routed: Routed; readonly turn: PathTurn | undefined }
  | { readonly at: "answering"; readonly turn: PathTurn; readonly filter: AnswerFilter }
  /** What still comes of the response goes through as it is. */
  | { readonly at: "passing" }
  | { readonly at: "closed" };

const nothing = new Uint8Array(0);

export class TurnExchange {
  readonly #ports: ExchangePorts;
  readonly #replies: TurnReplies;
  readonly #facts: RequestFacts;
  readonly #headers: TurnHeaders;
  readonly #modes: ProtocolModes;
  readonly #isBodyRead: boolean;
  /** The largest body that any pool takes that this one may go to. */
  readonly #limitBytes: number;
  /** Aborted when nothing more is said. */
  readonly #closing = new AbortController();
  #state: State = { at: "start" };
  /** Of the turn, once it has begun. */
  #kvStatus: string | undefined = undefined;
  #isResponseStarted = false;

  constructor(ports: ExchangePorts, sink: ReplySink, opening: ReadOpening) {
    this.#ports = ports;
    this.#replies = new TurnReplies(ports, sink, opening.modes);
    this.#facts = opening.facts;
    this.#headers = opening.headers;
    this.#modes = opening.modes;
    this.#isBodyRead = opening.isBodyRead;
    this.#limitBytes = opening.limitBytes;
  }

  /** Answers the request headers, once. */
  ask(): void {
    const { lengthBytes, isEncoded, isUpgrade } = this.#headers;
    if (isUpgrade) return this.#refuse(bodyRefusals.upgrade);
    if (isEncoded) return this.#refuse(bodyRefusals.encoded);
    if (lengthBytes !== undefined && lengthBytes > this.#limitBytes) return this.#refuseTooLarge();
    if (this.#replies.isRequestDuplex) {
      this.#assertResponseIsShown();
      this.#state = { at: "gathering", held: new HeldBody(this.#ports.budget) };
      return;
    }
    const takenBytes = Math.min(lengthBytes ?? this.#limitBytes, PLACE_LIMIT_BYTES);
    if (!this.#ports.budget.tryTake(takenBytes)) return this.#refuse(bodyRefusals.budgetFull);
    this.#state = { at: "asked", takenBytes };
    this.#replies.askForBodies();
  }

  /** Every message after the request headers. Throws for a fault, which is then given to `fail`. */
  message(message: ProcessingMessage): MaybePromise<void> {
    if (this.#state.at === "closed") return;
    switch (message.kind) {
      case "requestBody":
        return this.#onRequestBody(message);
      case "requestTrailers":
        if (this.#state.at === "gathering") return this.#onGathered(this.#state.held, "trailers");
        return this.#replies.goOn("requestTrailers");
      case "responseHeaders":
        return this.#onResponseHeaders(message);
      case "responseBody":
        return this.#onResponseBody(message);
      case "responseTrailers":
        return this.#onResponseTrailers();
      case "requestHeaders":
        throw new AppError("wire_invalid", "request headers came twice in one stream");
      case undefined:
        throw new AppError("wire_invalid", "a ProcessingRequest without a known message");
    }
  }

  /** A fault of ours, or of how Envoy is set up. */
  fail(reason: unknown): void {
    this.#ports.observer.failed(AppError.from(reason));
    if (this.#state.at === "closed") return;
    this.#refuse({ code: "internal_error", message: "Moorline could not serve the request" });
    // In mid-response the refusal alone breaks it off; the error makes sure of that.
    if (this.#isResponseStarted) this.#replies.breakOff();
  }

  /** Whoever ended it, and however: nothing more is said. Idempotent. */
  close(): void {
    const state = this.#state;
    this.#state = { at: "closed" };
    this.#closing.abort();
    if (state.at === "asked") this.#ports.budget.give(state.takenBytes);
    else if (state.at === "gathering") state.held.release();
    else if (state.at === "routed" || state.at === "answering") state.turn?.abandon();
  }

  #onRequestBody(message: ProcessingMessage): void {
    const state = this.#state;
    if (state.at === "asked") return this.#onWhole(state.takenBytes, message.body);
    if (!this.#replies.isRequestDuplex) {
      if (message.body.byteLength > 0) {
        throw new AppError("envoy_unsuited", "Envoy sends in parts what it was asked for whole");
      }
      return this.#replies.goOn("requestBody");
    }
    if (state.at !== "gathering") return;
    const { held } = state;
    if (held.add(message.body, this.#limitBytes)) {
      if (message.endOfStream) this.#onGathered(held, "end");
    } else if (held.whole().byteLength > this.#limitBytes) this.#refuseTooLarge();
    else this.#refuse(bodyRefusals.budgetFull);
  }

  /**
   * The bytes are lent for as long as this call lasts, and it must not last: only a transport that reads on hears that the client
   * has left. So the body is copied.
   */
  #onWhole(takenBytes: number, lent: Uint8Array): void {
    const { budget } = this.#ports;
    const body = Buffer.from(lent);
    budget.give(takenBytes);
    this.#state = { at: "held" };
    if (!budget.tryTake(body.byteLength)) return this.#refuse(bodyRefusals.budgetFull);
    void this.#serve(body, "end").finally(() => budget.give(body.byteLength));
  }

  #onGathered(held: HeldBody, next: Next): void {
    this.#state = { at: "held" };
    void this.#serve(held.whole(), next).finally(() => held.release());
  }

  /** Never rejects. */
  async #serve(body: Uint8Array, next: Next): Promise<void> {
    try {
      await this.#decide(body, next);
    } catch (reason) {
      this.fail(reason);
    }
  }

  async #decide(body: Uint8Array, next: Next): Promise<void> {
    const startedAtMs = this.#ports.clock.now();
    const found = await this.#read(body);
    if (this.#state.at !== "held") return;
    if ("code" in found) return this.#refuse(found);
    const { kv, read } = found;
    const turn = { facts: this.#facts, startedAtMs, kv, body: read };
    const routed = await decideTurn(this.#ports, turn);
    if (this.#state.at !== "held") return;
    if ("code" in routed) return this.#refuse(routed);
    const begun = read === undefined ? undefined : await kv?.begin(this.#turnRequest(read, routed));
    // The client may have left, or Envoy may have answered by itself.
    if (this.#state.at !== "held") return begun?.turn.abandon();
    const chosen = begun === undefined ? routed : withFallbacks(routed, begun.fallbacks);
    this.#kvStatus = begun?.status;
    this.#state = { at: "routed", routed: chosen, turn: begun?.turn };
    this.#replies.requestBody(chosen, begun?.body ?? [body], next);
  }

  #read(body: Uint8Array): Promise<KvBody | Refusal> {
    return readTurnBody(this.#ports, body, {
      facts: this.#facts,
      headers: this.#headers,
      isBodyRead: this.#isBodyRead,
      limitBytes: this.#limitBytes,
      hold: ({ holdMs }) => {
        if (this.#state.at === "held") this.#replies.hold(holdMs);
      },
    });
  }

  #turnRequest(body: ReadBody, { request, decision }: Routed): TurnRequest {
    const { prefetch } = this.#headers;
    return {
      session: { tenant: request.tenant, id: request.sessionId },
      body,
      endpoint: decision.endpoint,
      fallbacks: decision.fallbacks,
      retentionClass: this.#headers.retentionClass,
      isFinal: this.#headers.isFinal,
      prefetch: prefetch === undefined ? undefined : { tenant: request.tenant, id: prefetch },
      signal: this.#closing.signal,
    };
  }

  #onResponseHeaders(message: ProcessingMessage): MaybePromise<void> {
    if (this.#isResponseStarted) {
      throw new AppError("wire_invalid", "response headers came twice in one stream");
    }
    const state = this.#state;
    if (state.at !== "routed") return this.#onEarlyResponse(message);
    const { turn } = state;
    const head = answerHead(message);
    if (turn?.withholds(head) === true) this.#refuse(answerEncoded);
    else {
      const filter = turn?.answer(head);
      this.#isResponseStarted = true;
      this.#state = turn && filter ? { at: "answering", turn, filter } : { at: "passing" };
      this.#sendResponseHeaders(filter !== undefined);
      if (message.endOfStream) this.#answerChunk(nothing, true);
    }
    return observeServed(this.#ports, state.routed, message);
  }

  /** Envoy answers before the body has gone on: by itself, or because it did not wait for us. */
  #onEarlyResponse(message: ProcessingMessage): void {
    if (!isLocalReply(message)) {
      const hint =
        "its ext_proc filter needs allow_mode_override, and no other allowed_override_modes";
      const error = `Envoy let a body for a pool with KV pass without showing it: ${hint}`;
      this.#ports.observer.failed(new AppError("envoy_unsuited", error));
      return this.#refuse(bodyRefusals.unread);
    }
    this.close();
    this.#isResponseStarted = true;
    this.#state = { at: "passing" };
    this.#sendResponseHeaders(false);
  }

  #sendResponseHeaders(isFiltered: boolean): void {
    const kvStatus = this.#headers.wantsStatus ? this.#kvStatus : undefined;
    this.#replies.responseHeaders({ sessionId: this.#sessionId(), kvStatus, isFiltered });
  }

  #onResponseBody(message: ProcessingMessage): void {
    if (!this.#isResponseStarted) {
      throw new AppError("wire_invalid", "a response body came without response headers");
    }
    if (this.#state.at === "passing" && !this.#replies.isResponseDuplex) {
      return this.#replies.goOn("responseBody");
    }
    const { body, endOfStream } = message;
    this.#replies.responseChunk(this.#answerChunk(body, endOfStream), endOfStream);
  }

  /** They end the body, of which the filter may hold the last bytes. */
  #onResponseTrailers(): void {
    const rest = this.#answerChunk(nothing, true);
    if (rest.byteLength > 0) {
      if (!this.#replies.isResponseDuplex) {
        throw new AppError("envoy_unsuited", "trailers came where no more of the body can be sent");
      }
      this.#replies.responseRest(rest);
    }
    this.#replies.goOn("responseTrailers");
  }

  #answerChunk(chunk: Uint8Array, isEnd: boolean): Uint8Array {
    if (this.#state.at !== "answering") return chunk;
    const answered = this.#state.filter.push(chunk, isEnd);
    if (isEnd) this.#state = { at: "passing" };
    return answered;
  }

  /** The one that the response has: the client's, or a fresh one. */
  #sessionId(): string {
    return (this.#facts.sessionId ??= this.#ports.mintId());
  }

  #assertResponseIsShown(): void {
    if (this.#modes.responseBody !== bodyModes.none) return;
    const hint = "response_body_mode must be FULL_DUPLEX_STREAMED too";
    throw new AppError("envoy_unsuited", `Envoy does not show responses of pools with KV: ${hint}`);
  }

  #refuseTooLarge(): void {
    this.#refuse(bodyRefusals.tooLarge(this.#limitBytes));
  }

  #refuse(refusal: Refusal): void {
    if (this.#state.at === "closed") return;
    this.#replies.refuse(refusal, this.#sessionId());
    this.close();
  }
}
