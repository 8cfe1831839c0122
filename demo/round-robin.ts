/**
 * The route to compare with: the same Envoy, the same cluster and the same endpoints, without Moorline. A request without a
 * destination falls to the cluster's fallback policy, which is round robin.
 */
import type { Bootstrap } from "../envoy/bootstrap.ts";

export const roundRobinListener = "round-robin";

export function addRoundRobinListener(bootstrap: Bootstrap): void {
  const { listeners } = bootstrap.static_resources;
  const [ingress] = listeners;
  if (ingress === undefined) throw new Error("the bootstrap has no listener");
  const copy = structuredClone(ingress);
  copy.name = roundRobinListener;
  copy.address = { socket_address: { address: "127.0.0.1", port_value: 0 } };
  for (const { typed_config: manager } of copy.filter_chains.flatMap(({ filters }) => filters)) {
    manager.stat_prefix = roundRobinListener;
    manager.http_filters = manager.http_filters.filter(
      ({ name }) => name !== "envoy.filters.http.ext_proc",
    );
  }
  listeners.push(copy);
}
