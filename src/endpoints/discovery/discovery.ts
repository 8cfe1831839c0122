/** Where a pool's endpoints come from. Every adapter runs the suite in `test/endpoints/discovery/discovery-contract.ts`. */
import type { EndpointSpec } from "../endpoint.ts";

/** Takes the whole list each time, never a difference. Must not throw. */
export type PublishEndpoints = (endpoints: readonly EndpointSpec[]) => void;

export interface Discovery {
  /**
   * Publishes the first list before it resolves, and each changed list after that. Rejects with `endpoints_invalid` when
   * there is no usable list to begin with; afterwards a bad source keeps the last good list.
   */
  start(publish: PublishEndpoints): Promise<void>;
  /** Idempotent. Nothing is published once it was called. */
  close(): Promise<void>;
}
