import type { Readiness } from "./admin/ports.ts";
import type { GrpcHealth } from "./extproc/health.ts";

/** Ready from the first round of health checks to the start of the drain, over HTTP and over gRPC alike. */
export class ReadinessGate {
  readonly #health: GrpcHealth;
  #isStarted = false;
  #isDraining = false;

  constructor(health: GrpcHealth) {
    this.#health = health;
  }

  now(): Readiness {
    const reasons = [
      ...(this.#isDraining ? ["draining"] : []),
      ...(this.#isStarted ? [] : ["endpoints are not checked yet"]),
    ];
    return { isReady: reasons.length === 0, reasons };
  }

  /** Returns whether it is ready now. */
  start(): boolean {
    this.#isStarted = true;
    this.#health.setReady(!this.#isDraining);
    return !this.#isDraining;
  }

  drain(): void {
    this.#isDraining = true;
    this.#health.setReady(false);
  }
}
