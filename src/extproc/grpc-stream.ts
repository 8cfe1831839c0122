/**
 * One ext_proc stream on grpc-js: turns its callbacks into the calls of an ExchangeHandler, in order and one at a time.
 *
 * It sits on the lowest public layer of a grpc-js server, the call that an interceptor is given, and never calls what would
 * come next (a ServerDuplexStream, with its object-mode buffers and events): 11 % less CPU per exchange. Messages are bytes
 * both ways; what they mean is the handler's matter.
 *
 * Back-pressure: grpc-js delivers a message only when asked to by `startRead`, and pauses the HTTP/2 stream in between. We
 * ask again when the handler is done with the last message and every reply so far has been taken by the connection, so a
 * peer that does not read what it is sent is not read from either.
 */
import type { ServerHttp2Stream } from "node:http2";
import { ServerInterceptingCall, status } from "@grpc/grpc-js";
import type { ServerInterceptingCallInterface, ServerInterceptor } from "@grpc/grpc-js";
import { AppError } from "../errors.ts";
import type { ExchangeHandler, OpenExchange, ReplySink } from "./transport.ts";

/** What is counted about exchanges. `closed` comes once for each `opened`; a refused exchange is neither. */
export interface StreamObserver {
  opened(): void;
  closed(): void;
  /** The limit on open exchanges was reached: the stream was ended with UNAVAILABLE. */
  refused(): void;
  /** A handler broke its promise never to throw. Its stream was ended with status OK, and it was cancelled. */
  failed(error: AppError): void;
}

export interface ExchangeAdmission {
  readonly openExchange: OpenExchange;
  readonly observer: StreamObserver;
  /** Open streams at the same time, over all listeners. */
  readonly maxOpenExchanges: number;
}

const OK = { code: status.OK, details: "" };
const FAILED = { code: status.INTERNAL, details: "the exchange failed" };

/** Answers the streams of one method by exchanges; calls of any other method pass through. */
export function interceptExchanges(path: string, admission: ExchangeAdmission): ServerInterceptor {
  const open = new OpenExchanges(admission);
  return (method, call) =>
    method.path === path ? new InterceptedCall(call, open) : new ServerInterceptingCall(call);
}

/** Counts what is open, and refuses above the limit. */
class OpenExchanges {
  readonly #admission: ExchangeAdmission;
  #count = 0;

  constructor(admission: ExchangeAdmission) {
    this.#admission = admission;
  }

  /** Undefined when the limit is reached. */
  open(sink: ReplySink): ExchangeHandler | undefined {
    if (this.#count >= this.#admission.maxOpenExchanges) {
      this.#admission.observer.refused();
      return undefined;
    }
    this.#count += 1;
    this.#admission.observer.opened();
    return this.#admission.openExchange(sink);
  }

  close(): void {
    this.#count -= 1;
    this.#admission.observer.closed();
  }

  failed(reason: unknown): void {
    this.#admission.observer.failed(AppError.from(reason));
  }
}

/** Puts a GrpcStream where grpc-js would have put its own listener. */
class InterceptedCall extends ServerInterceptingCall {
  readonly #stream: GrpcStream;
  readonly #call: ServerInterceptingCallInterface;

  constructor(call: ServerInterceptingCallInterface, open: OpenExchanges) {
    super(call);
    this.#call = call;
    this.#stream = new GrpcStream(call, open);
  }

  override start(): void {
    this.#call.start(this.#stream);
  }
}

class GrpcStream implements ReplySink {
  readonly #call: ServerInterceptingCallInterface;
  readonly #open: OpenExchanges;
  /** Undefined before the start and from the last event on: then nothing more is sent, read or told. */
  #handler: ExchangeHandler | undefined;
  /** True from the count up to the count down. */
  #isCounted = false;
  /** True while the handler has a message. */
  #isHandling = false;
  /** Replies that the connection has not taken yet. */
  #unsent = 0;
  /** True while `startRead` is on the stack: it may deliver at once, and must not be entered again from there. */
  #isAsking = false;
  #isAskWanted = false;

  constructor(call: ServerInterceptingCallInterface, open: OpenExchanges) {
    this.#call = call;
    this.#open = open;
  }

  send(message: Uint8Array): void {
    if (this.#handler === undefined) return;
    this.#unsent += 1;
    this.#call.sendMessage(message, this.#sent);
  }

  end(): void {
    this.#endWith(OK);
  }

  fail(): void {
    this.#endWith(FAILED);
  }

  onReceiveMetadata(): void {
    this.#handler = this.#open.open(this);
    if (this.#handler === undefined) {
      this.#call.sendStatus({ code: status.UNAVAILABLE, details: "too many open exchanges" });
      return;
    }
    this.#isCounted = true;
    this.#askForNext();
  }

  onReceiveMessage(message: Uint8Array): void {
    if (this.#handler === undefined) return;
    this.#isHandling = true;
    try {
      const handled = this.#handler.message(message);
      if (handled instanceof Promise) handled.then(this.#handled, this.#fail);
      else this.#handled();
    } catch (reason) {
      this.#fail(reason);
    }
  }

  onReceiveHalfClose(): void {
    if (isClosed(this.#call)) return;
    this.#handler?.end();
    this.end();
  }

  /** grpc-js calls this once at the end of every stream, also after a status of ours has gone out. */
  onCancel(): void {
    const handler = this.#handler;
    this.#handler = undefined;
    if (this.#isCounted) this.#open.close();
    handler?.cancel();
  }

  #endWith(ending: typeof OK): void {
    if (this.#handler === undefined) return;
    this.#handler = undefined;
    this.#call.sendStatus(ending);
  }

  readonly #sent = (): void => {
    this.#unsent -= 1;
    this.#askForNext();
  };

  readonly #handled = (): void => {
    this.#isHandling = false;
    this.#askForNext();
  };

  /** A clean end is the safe answer to a bug of ours: Envoy goes on without us, where a gRPC error would be the user's 500. */
  readonly #fail = (reason: unknown): void => {
    const handler = this.#handler;
    this.#open.failed(reason);
    this.end();
    handler?.cancel();
  };

  /** A loop, because many small messages may be waiting, and each could ask for the next from within its own delivery. */
  #askForNext(): void {
    if (this.#handler === undefined || this.#isHandling || this.#unsent > 0) return;
    this.#isAskWanted = true;
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (this.#isAskWanted) {
      this.#isAskWanted = false;
      this.#call.startRead();
    }
    this.#isAsking = false;
  }
}

/**
 * Node ends the readable side of a stream that was reset, and grpc-js takes that for a half-close before it tells of the
 * cancellation. Only the HTTP/2 stream underneath, which grpc-js keeps to itself, knows which of the two it was.
 */
function isClosed(call: ServerInterceptingCallInterface): boolean {
  const { stream } = call as unknown as { readonly stream?: ServerHttp2Stream };
  return stream?.closed === true;
}
