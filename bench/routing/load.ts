/**
 * Load on one route of the benchmark's Envoy, and a check of every answer: 200, on a sticky route from the endpoint that served
 * the session before, and with the session id echoed where that is promised. A wrong answer is a failure, however fast.
 */
import { Connection } from "./connection.ts";
import { pace } from "./pacer.ts";

export interface Route {
  readonly port: number;
  /** All requests of a session must be served by one endpoint. */
  readonly isSticky: boolean;
  /** `x-session-id` must come back. */
  readonly echoesId: boolean;
}

export interface LoadReport {
  readonly requests: number;
  readonly failures: number;
  /** Requests answered well, per second. */
  readonly perSecond: number;
  /** Of the good answers. Open loop: from the time that the request was due, so that a stall is charged to all it delayed. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** An answer that takes longer is a failure. */
const DRAIN_MS = 5_000;
const SESSIONS = 2_000;

interface Session {
  readonly request: Buffer;
  readonly echo: Buffer;
  /** The number of the endpoint that served it, as a byte; 0 before the first answer. */
  home: number;
}

export class LoadClient {
  readonly #route: Route;
  readonly #sessions = Array.from({ length: SESSIONS }, () => session(crypto.randomUUID()));
  #next = 0;
  #failures = 0;
  #latenciesMs: number[] = [];

  constructor(route: Route) {
    this.#route = route;
  }

  /** Each connection sends its next request when it has the answer to the last one. */
  async closedLoop(load: { connections: number; durationMs: number }): Promise<LoadReport> {
    const start = performance.now();
    const end = start + load.durationMs;
    const connections = Array.from(
      { length: load.connections },
      () => new Connection(this.#route.port),
    );
    let open = load.connections;
    await within(load.durationMs + DRAIN_MS, (resolve) => {
      for (const connection of connections) {
        const turn = () => {
          const now = performance.now();
          if (now < end) this.#exchange(connection, now, turn);
          else if (--open === 0) resolve();
        };
        turn();
      }
    });
    const elapsedMs = performance.now() - start;
    for (const connection of connections) connection.close(); // what is still open fails here
    return this.#report(elapsedMs);
  }

  /** Requests are due at a fixed rate, whether or not earlier ones have been answered. */
  async openLoop(load: { ratePerSecond: number; durationMs: number }): Promise<LoadReport> {
    const intervalMs = 1_000 / load.ratePerSecond;
    const count = Math.floor(load.durationMs / intervalMs);
    const idle: Connection[] = [];
    const all: Connection[] = [];
    let start = 0;
    let sent = 0;
    let answered = 0;
    let allAnswered = () => {};
    await pace({ intervalMs, count }, () => {
      const now = performance.now();
      if (sent === 0) start = now;
      const dueMs = Math.min(now, start + sent * intervalMs);
      sent++;
      let connection = idle.pop();
      if (connection === undefined) all.push((connection = new Connection(this.#route.port)));
      const used = connection;
      this.#exchange(used, dueMs, () => {
        idle.push(used);
        answered++;
        if (answered === count) allAnswered();
      });
    });
    if (answered < count) await within(DRAIN_MS, (resolve) => (allAnswered = resolve));
    const elapsedMs = performance.now() - start;
    for (const connection of all) connection.close(); // what is still open fails here
    return this.#report(elapsedMs);
  }

  #exchange(connection: Connection, dueMs: number, done: () => void): void {
    const current = this.#sessions[this.#next] as Session;
    this.#next = (this.#next + 1) % SESSIONS;
    connection.send(current.request, (head) => {
      if (head !== undefined && this.#isRight(head, current)) {
        this.#latenciesMs.push(performance.now() - dueMs);
      } else {
        this.#failures++;
      }
      done();
    });
  }

  #isRight(head: Buffer, current: Session): boolean {
    if (this.#route.echoesId && !head.includes(current.echo)) return false;
    if (!this.#route.isSticky) return true;
    const at = head.indexOf("x-upstream: ");
    const home = at < 0 ? 0 : (head[at + 12] ?? 0);
    if (current.home === 0) current.home = home;
    return home !== 0 && home === current.home;
  }

  #report(elapsedMs: number): LoadReport {
    const sorted = Float64Array.from(this.#latenciesMs).sort();
    const failures = this.#failures;
    this.#latenciesMs = [];
    this.#failures = 0;
    return {
      requests: sorted.length + failures,
      failures,
      perSecond: (sorted.length * 1_000) / elapsedMs,
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
    };
  }
}

function quantile(sorted: Float64Array, q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** Resolves at the latest after `ms`. */
async function within(ms: number, wait: (resolve: () => void) => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  wait(resolve);
  await promise;
  clearTimeout(timer);
}

/** What an agent sends, but for the body: Moorline never sees a body when the id is in a header. */
function session(id: string): Session {
  const lines = [
    "GET /v1/chat/completions HTTP/1.1",
    "host: bench.local",
    "accept: application/json",
    "accept-encoding: gzip, deflate",
    `authorization: Bearer ${"k".repeat(51)}`,
    "content-type: application/json",
    "user-agent: OpenAI/Python 1.99.0",
    "x-stainless-arch: x64",
    "x-stainless-async: async:asyncio",
    "x-stainless-lang: python",
    "x-stainless-os: Linux",
    "x-stainless-package-version: 1.99.0",
    "x-stainless-retry-count: 0",
    "x-stainless-runtime: CPython",
    "x-stainless-runtime-version: 3.12.4",
    `x-session-id: ${id}`,
  ];
  return {
    request: Buffer.from(`${lines.join("\r\n")}\r\n\r\n`),
    echo: Buffer.from(`x-session-id: ${id}\r\n`),
    home: 0,
  };
}
