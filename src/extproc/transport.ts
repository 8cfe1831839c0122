/**
 * The seam between the wire and the exchange: protobuf messages in, protobuf messages out. The grpc-js transport is behind it
 * today; a faster one must fit without touching anything above.
 */
import type { MaybePromise } from "../affinity/binding-store.ts";

export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** Where an exchange sends its replies. All methods do nothing once the stream has ended. */
export interface ReplySink {
  /**
   * Sends one encoded ProcessingResponse, in call order. `message` is only lent for the duration of the call: the transport
   * copies what it keeps. The transport reads no further message of this stream before what was sent has been taken by
   * the connection (back-pressure).
   */
  send(message: Uint8Array): void;
  /** Ends the stream with status OK, which Envoy takes as "go on without me". */
  end(): void;
  /**
   * Ends the stream with an error status. Unless Envoy is told to let failures pass (`failure_mode_allow`), it answers 500 where the
   * response has not begun, and else resets the client's stream: for exchanges that must not go on without us.
   */
  fail(): void;
}

/** One ext_proc stream, which is one exchange. Calls never overlap: `message` is awaited before the next event but `cancel`. */
export interface ExchangeHandler {
  /**
   * One encoded ProcessingRequest, lent until the returned promise settles (or the call returns). Never throws, never
   * rejects: an exchange turns its own failures into a reply, a clean end, or an error where going on without us would do harm.
   */
  message(message: Uint8Array): MaybePromise<void>;
  /**
   * The peer half-closed after its last message; the transport then ends the stream with status OK. No proof of a good end:
   * Envoy half-closes an aborted exchange as well, so an exchange judges by the end_of_stream that it has seen.
   */
  end(): void;
  /** The stream was reset, or its connection was lost. Nothing can be sent any more. May come while `message` is pending. */
  cancel(): void;
}

/** Called once per stream. The sink does nothing before this has returned. */
export type OpenExchange = (sink: ReplySink) => ExchangeHandler;

export interface Transport {
  /** Rejects with `listen_failed`. Resolves to the bound address: the real port where 0 was asked for. */
  listen(address: ListenAddress): Promise<ListenAddress>;
  /** Stops accepting, lets open streams finish for `graceMs`, then cuts what is left. Idempotent. */
  close(graceMs: number): Promise<void>;
}
