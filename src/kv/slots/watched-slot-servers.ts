/** The servers of all pools whose engines keep KV in slots, each watched for as long as it is a member of its pool. */
import type { PoolSnapshot } from "../../affinity/pool-snapshot.ts";
import { type Endpoint, type EndpointId, formatAddress } from "../../endpoints/endpoint.ts";
import { ASK_INTERVAL_MS } from "../engines/process-watch.ts";
import type { SlotServerObserver, SlotServerStateName } from "./slot-server-observer.ts";
import { type SlotPoolFacts, SlotServerWatch, type SlotWatchOptions } from "./slot-server-watch.ts";
import type { SlotServer, SlotServers, SlotServerState } from "./slot-server.ts";
import { slotsOff } from "./slot-questions.ts";

export interface WatchedSlotServersOptions extends Omit<
  SlotWatchOptions,
  "target" | "facts" | "startDelayMs" | "events"
> {
  /** By pool; other pools are not watched. */
  readonly pools: ReadonlyMap<string, SlotPoolFacts>;
  /** A member that was ready is not any more: its process has ended, as far as can be seen. Returns at once and does not throw. */
  readonly gone: (pool: string, server: GoneServer) => void;
  /** A server that is ready is no member any more: it is watched, and answers, until this is over. Never rejects. */
  readonly leaving: (pool: string, server: SlotServer) => Promise<void>;
  readonly observer: SlotServerObserver;
}

export interface GoneServer {
  readonly endpoint: EndpointId;
  readonly server: SlotServer;
}

export class WatchedSlotServers implements SlotServers {
  readonly #options: WatchedSlotServersOptions;
  readonly #pools: ReadonlyMap<string, Map<EndpointId, SlotServerWatch>>;
  /** Of endpoints that are no members any more. */
  readonly #leaving = new Set<SlotServerWatch>();
  /** Of watches that are over. */
  readonly #closing = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: WatchedSlotServersOptions) {
    this.#options = options;
    this.#pools = new Map([...options.pools.keys()].map((pool) => [pool, new Map()]));
  }

  /** The newest snapshot of a pool: whom to watch. Cheap where that has not changed. */
  published({ name, endpoints }: Pick<PoolSnapshot, "name" | "endpoints">): void {
    const facts = this.#options.pools.get(name);
    const watches = this.#pools.get(name);
    if (facts === undefined || watches === undefined || this.#isClosed) return;
    const gone = new Set(watches.keys());
    for (const endpoint of endpoints) {
      gone.delete(endpoint.id);
      const watch = watches.get(endpoint.id);
      if (watch !== undefined && isAt(watch, endpoint)) continue;
      this.#leave(name, watch);
      const spreadMs = Math.min(ASK_INTERVAL_MS, endpoints.length);
      watches.set(endpoint.id, this.#watch(name, endpoint, { facts, spreadMs }));
    }
    for (const id of gone) {
      this.#leave(name, watches.get(id));
      watches.delete(id);
    }
    this.#giveUpLeaving();
  }

  server(pool: string, endpoint: Endpoint): SlotServerState {
    const watch = this.#pools.get(pool)?.get(endpoint.id);
    return watch !== undefined && isAt(watch, endpoint) ? watch.state : UNKNOWN;
  }

  /** Of all servers of a pool. */
  states(pool: string): readonly SlotServerState[] {
    return Array.from(this.#pools.get(pool)?.values() ?? [], ({ state }) => state);
  }

  /** How many servers of each pool are in which state; every state of every pool is there. */
  *counts(): Generator<readonly [count: number, pool: string, state: SlotServerStateName]> {
    for (const [pool, watches] of this.#pools) {
      const counts = { ...NONE };
      for (const { state } of watches.values()) counts[nameOf(state)]++;
      for (const [state, count] of Object.entries(counts)) {
        yield [count, pool, state as SlotServerStateName];
      }
    }
  }

  /** Every server is unknown from now on, and what is under way with one is given up. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const watches of this.#pools.values()) {
      for (const watch of watches.values()) this.#close(watch);
      watches.clear();
    }
    for (const watch of this.#leaving) this.#close(watch);
    await Promise.all(this.#closing);
  }

  #watch(
    pool: string,
    { id: endpoint, host, port, address }: Endpoint,
    { facts, spreadMs }: { readonly facts: SlotPoolFacts; readonly spreadMs: number },
  ): SlotServerWatch {
    const { observer, random, gone } = this.#options;
    const watch: SlotServerWatch = new SlotServerWatch({
      ...this.#options,
      target: { host, port, apiKey: facts.apiKey },
      facts,
      startDelayMs: spreadMs * random(),
      events: {
        stateChanged: (from, to, why) => {
          observer.stateChanged({ pool, address, from: nameOf(from), to: nameOf(to), why });
          if (from.kind === "ready" && !this.#leaving.has(watch)) {
            gone(pool, { endpoint, server: from.server });
          }
        },
        unanswered: (why) => observer.unanswered({ pool, address, why }),
      },
    });
    return watch;
  }

  #leave(pool: string, watch: SlotServerWatch | undefined): void {
    if (watch === undefined) return;
    const { state } = watch;
    if (state.kind === "off") return this.#close(watch);
    this.#leaving.add(watch);
    void this.#options.leaving(pool, state.server).then(() => this.#close(watch));
  }

  /** Of those that are members again, be it by another id or of another pool, and whose slots somebody else is given: what is still asked of them is answered to nobody. */
  #giveUpLeaving(): void {
    if (this.#leaving.size === 0) return;
    const members = [...this.#pools.values()].flatMap((watches) => [...watches.values()]);
    const listed = new Set(members.map(({ target: { host, port } }) => formatAddress(host, port)));
    for (const watch of this.#leaving) {
      const { host, port } = watch.target;
      if (listed.has(formatAddress(host, port))) this.#close(watch);
    }
  }

  #close(watch: SlotServerWatch): void {
    this.#leaving.delete(watch);
    const closing = watch.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

const UNKNOWN = slotsOff("engine_unknown");

const NONE: Readonly<Record<SlotServerStateName, number>> = {
  ready: 0,
  engine_unknown: 0,
  engine_mismatch: 0,
  slots_off: 0,
  model_unknown: 0,
  no_staging: 0,
};

/** An endpoint that moved keeps its id; what was known of the server was of another one. */
function isAt({ target }: SlotServerWatch, { host, port }: Endpoint): boolean {
  return target.host === host && target.port === port;
}

function nameOf(state: SlotServerState): SlotServerStateName {
  return state.kind === "ready" ? "ready" : state.reason;
}
