/**
 * What a request sees of a pool: one immutable value, taken once and kept to the end of the exchange. Discovery and health
 * publish a new snapshot per change; health changes share the ring of the one before.
 */
import type { Endpoint, EndpointId } from "../endpoints/endpoint.ts";
import type { Ring } from "./ring.ts";

export interface PoolSnapshot {
  readonly name: string;
  /** Grows by one with each published snapshot of this pool. */
  readonly generation: number;
  /** The ring's members first, in ring order (`endpoints[m]` is `ring.members[m]`), then those that are not on the ring. */
  readonly endpoints: readonly Endpoint[];
  readonly byId: ReadonlyMap<EndpointId, Endpoint>;
  readonly ring: Ring;
  /** Sum of the weights of the `ready` endpoints on the ring. */
  readonly readyWeight: number;
}
