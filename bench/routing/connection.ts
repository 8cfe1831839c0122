/**
 * One keep-alive HTTP/1.1 connection with one request at a time: a general HTTP client would cost as much as the
 * processes that are measured beside it.
 */
import { createConnection, type Socket } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");
/** The answer of bench/routing/upstream.ts has a body of two bytes; errors of Envoy have longer ones, and end the connection here. */
const BODY_BYTES = 2;

/** The head of a 200; undefined for anything else. */
export type OnAnswer = (head: Buffer | undefined) => void;

export class Connection {
  readonly #port: number;
  #socket: Socket | undefined;
  #received: Buffer | undefined;
  /** Set exactly while a request is on its way. */
  #onAnswer: OnAnswer | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  /** Not before the answer to the last request. A connection that was lost is opened anew. */
  send(request: Buffer, onAnswer: OnAnswer): void {
    this.#onAnswer = onAnswer;
    this.#socket ??= this.#open();
    this.#socket.write(request);
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#received = undefined;
    socket?.destroy();
    this.#answer(undefined);
  }

  #open(): Socket {
    const socket = createConnection({ host: "127.0.0.1", port: this.#port, noDelay: true });
    const lost = () => {
      if (socket === this.#socket) this.close();
    };
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", lost);
    socket.on("close", lost);
    return socket;
  }

  #receive(chunk: Buffer): void {
    const received = this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk]);
    this.#received = received;
    const headEnd = received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    if (received.toString("latin1", 9, 12) !== "200") {
      this.close();
      return;
    }
    if (received.length < headEnd + HEAD_END.length + BODY_BYTES) return;
    this.#received = undefined;
    this.#answer(received.subarray(0, headEnd + HEAD_END.length));
  }

  #answer(head: Buffer | undefined): void {
    const onAnswer = this.#onAnswer;
    this.#onAnswer = undefined;
    onAnswer?.(head);
  }
}
