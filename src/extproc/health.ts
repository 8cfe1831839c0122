/**
 * `grpc.health.v1` beside the exchanges, for Envoy's and the orchestrator's probes. `liveness` says that the process answers
 * and nothing else; the overall service, `readiness` and the processor itself say whether new exchanges are welcome, and turn
 * before a drain begins. A name that is not served is NOT_FOUND for Check and SERVICE_UNKNOWN for Watch.
 */
import type { Server, ServerWritableStream, UntypedServiceImplementation } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { externalProcessorName } from "./external-processor.ts";

const followsReadiness = ["", "readiness", externalProcessorName];

export class GrpcHealth {
  readonly #statuses = new HealthImplementation({ liveness: "SERVING" });
  readonly #watches = new Set<ServerWritableStream<unknown, unknown>>();

  /** Starts not ready. */
  constructor() {
    this.setReady(false);
  }

  setReady(isReady: boolean): void {
    for (const service of followsReadiness) {
      this.#statuses.setStatus(service, isReady ? "SERVING" : "NOT_SERVING");
    }
  }

  addToServer(server: Server): void {
    this.#statuses.addToServer({
      addService: (service, handlers) => {
        server.addService(service, this.#trackWatches(handlers as UntypedServiceImplementation));
      },
    });
  }

  /** Ends every Watch, which would otherwise hold a closing server open for as long as its client likes. */
  endWatches(): void {
    for (const call of this.#watches) call.end();
  }

  #trackWatches(handlers: UntypedServiceImplementation): UntypedServiceImplementation {
    const watch = handlers["watch"] as (call: ServerWritableStream<unknown, unknown>) => void;
    return {
      ...handlers,
      watch: (call: ServerWritableStream<unknown, unknown>) => {
        this.#watches.add(call);
        call.once("cancelled", () => this.#watches.delete(call));
        watch(call);
      },
    };
  }
}
