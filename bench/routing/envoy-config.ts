/**
 * One Envoy with a listener per way of routing. All are copies of the shipped bootstrap's listener and differ in what is
 * measured only: who picks the endpoint.
 */
import type { Bootstrap, Cluster, ConnectionManager, Listener } from "../../envoy/bootstrap.ts";
import { fillBootstrap } from "../../envoy/bootstrap.ts";

export type Way = "round_robin" | "ring_hash" | "moorline" | "grpc_go";

export interface Places {
  readonly upstreamPorts: readonly number[];
  readonly moorlinePort: number;
  readonly edsFile: string;
  /** undefined: no such peer, and no listener for it. */
  readonly grpcGoPort: number | undefined;
}

/** The listener of a way has its name. */
export async function benchBootstrap(places: Places): Promise<Bootstrap> {
  const bootstrap = await fillBootstrap("override-host", {
    listenPort: 0,
    adminPort: 0,
    extproc: places.moorlinePort,
    edsFile: places.edsFile,
  });
  const { listeners, clusters } = bootstrap.static_resources;
  const [shipped] = listeners;
  const extProc = clusters.find((cluster) => cluster.name === "ext_proc");
  if (shipped === undefined || extProc === undefined) throw new Error("the bootstrap has changed");
  listeners.length = 0;
  listeners.push(named(shipped, "moorline"));
  for (const way of ["round_robin", "ring_hash"] as const) {
    listeners.push(withoutExtProc(shipped, way));
    clusters.push(balanced(way, places.upstreamPorts));
  }
  if (places.grpcGoPort !== undefined) {
    listeners.push(withExtProc(named(shipped, "grpc_go"), "ext_proc_grpc_go"));
    clusters.push(at(extProc, "ext_proc_grpc_go", places.grpcGoPort));
  }
  return bootstrap;
}

/** The parts of the shipped configuration that differ between the ways. */
interface Manager extends ConnectionManager {
  readonly route_config: {
    readonly virtual_hosts: { readonly routes: { readonly route: RouteAction }[] }[];
  };
}

interface RouteAction {
  cluster: string;
  hash_policy?: readonly object[];
}

interface ExtProcFilter {
  readonly typed_config: {
    readonly grpc_service: { readonly envoy_grpc: { cluster_name: string } };
  };
}

const EXT_PROC = "envoy.filters.http.ext_proc";

function named(shipped: Listener, way: Way): Listener {
  const listener = structuredClone(shipped);
  listener.name = way;
  manager(listener).stat_prefix = way;
  return listener;
}

function manager(listener: Listener): Manager {
  const found = listener.filter_chains[0]?.filters[0]?.typed_config;
  if (found === undefined) throw new Error("the bootstrap has changed: no connection manager");
  return found as Manager;
}

function withoutExtProc(shipped: Listener, way: "round_robin" | "ring_hash"): Listener {
  const listener = named(shipped, way);
  const { http_filters: filters, route_config: routes } = manager(listener);
  filters.splice(0, Infinity, ...filters.filter((filter) => filter.name !== EXT_PROC));
  for (const { route } of routes.virtual_hosts.flatMap((host) => host.routes)) {
    route.cluster = way;
    if (way === "ring_hash") route.hash_policy = [{ header: { header_name: "x-session-id" } }];
  }
  return listener;
}

function withExtProc(listener: Listener, cluster: string): Listener {
  const filter = manager(listener).http_filters.find(({ name }) => name === EXT_PROC);
  if (filter === undefined) throw new Error("the bootstrap has changed: no ext_proc filter");
  (filter as unknown as ExtProcFilter).typed_config.grpc_service.envoy_grpc.cluster_name = cluster;
  return listener;
}

function at(cluster: Cluster, name: string, port: number): Cluster {
  return { ...structuredClone(cluster), name, load_assignment: assignment(name, [port]) };
}

function balanced(way: "round_robin" | "ring_hash", ports: readonly number[]): Cluster {
  const settings = {
    name: way,
    type: "STATIC",
    connect_timeout: "1s",
    lb_policy: way.toUpperCase(),
    circuit_breakers: {
      thresholds: [{ max_connections: 65536, max_pending_requests: 65536, max_requests: 65536 }],
    },
    load_assignment: assignment(way, ports),
  };
  return settings;
}

function assignment(name: string, ports: readonly number[]) {
  const lbEndpoints = ports.map((port) => ({
    endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } },
  }));
  return { cluster_name: name, endpoints: [{ lb_endpoints: lbEndpoints }] };
}
