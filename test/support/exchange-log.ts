import type { AppError } from "../../src/errors.ts";
import type { StreamObserver } from "../../src/extproc/grpc-stream.ts";
import type { ExchangeHandler, OpenExchange, ReplySink } from "../../src/extproc/transport.ts";

/** Answers every message with itself. */
export const echo: OpenExchange = (sink) => ({
  message: (message) => sink.send(message),
  end: () => {},
  cancel: () => {},
});

type OnMessage = (message: Uint8Array, sink: ReplySink) => ReturnType<ExchangeHandler["message"]>;

/** Writes down, in order, what each exchange is told. What is done about a message is given. */
export class ExchangeLog {
  readonly events: string[] = [];
  readonly #onMessage: OnMessage;

  constructor(onMessage: OnMessage = () => {}) {
    this.#onMessage = onMessage;
  }

  readonly open: OpenExchange = (sink) => ({
    message: (message) => {
      this.events.push(Buffer.from(message).toString());
      return this.#onMessage(message, sink);
    },
    end: () => this.events.push("END"),
    cancel: () => this.events.push("CANCEL"),
  });
}

/** Counts what a transport reports. */
export class ExchangeCounts implements StreamObserver {
  open = 0;
  openedEver = 0;
  refusedEver = 0;
  readonly failures: string[] = [];

  opened(): void {
    this.open += 1;
    this.openedEver += 1;
  }

  closed(): void {
    this.open -= 1;
  }

  refused(): void {
    this.refusedEver += 1;
  }

  failed(error: AppError): void {
    this.failures.push(error.message);
  }
}
