import type { LoadView } from "../affinity/binding-store.ts";
import type { EndpointId } from "../endpoints/endpoint.ts";

/** One endpoint's sessions. */
interface Tally {
  readonly endpoint: EndpointId;
  sessions: number;
}

/**
 * How many bindings of one pool point at each endpoint. Also lends each name out as one string, so that the bindings of a
 * table do not keep the copies that every reload of the configuration makes.
 */
export class PoolLoad implements LoadView {
  readonly pool: string;
  /** Endpoints with at least one session; their sessions add up to `#total`. */
  readonly #tallies = new Map<EndpointId, Tally>();
  #total = 0;

  constructor(pool: string) {
    this.pool = pool;
  }

  total(): number {
    return this.#total;
  }

  on(endpoint: EndpointId): number {
    return this.#tallies.get(endpoint)?.sessions ?? 0;
  }

  /** Counts one session more, and returns the name to store. */
  add(endpoint: EndpointId): EndpointId {
    this.#total++;
    const tally = this.#tallies.get(endpoint);
    if (tally === undefined) {
      this.#tallies.set(endpoint, { endpoint, sessions: 1 });
      return endpoint;
    }
    tally.sessions++;
    return tally.endpoint;
  }

  remove(endpoint: EndpointId): void {
    const tally = this.#tallies.get(endpoint);
    if (tally === undefined) return;
    this.#total--;
    tally.sessions--;
    if (tally.sessions === 0) this.#tallies.delete(endpoint);
  }
}
