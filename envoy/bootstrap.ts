/**
 * The shipped bootstraps with ports and paths of one's own, otherwise as they are: what the demo and the tests start is
 * what a user copies. Only the parts that are changed here have a type.
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parse } from "yaml";

export type BootstrapName = "override-host" | "override-host-pools" | "original-dst";

export interface BootstrapPlaces {
  /** Where clients connect; port 0 takes a free one. */
  readonly listenPort: number;
  readonly adminPort: number;
  /** Moorline's ext_proc listener on loopback: a port, or the path of a Unix socket. */
  readonly extproc: number | string;
  /** The file that Moorline writes; `{pool}` in it stands for the cluster's name. Not needed for `original-dst`. */
  readonly edsFile?: string;
}

export interface Bootstrap {
  readonly admin: { address: Address };
  readonly static_resources: {
    readonly listeners: Listener[];
    readonly clusters: Cluster[];
  };
}

export interface Listener {
  name: string;
  address: Address;
  readonly filter_chains: readonly {
    readonly filters: readonly { readonly typed_config: ConnectionManager }[];
  }[];
}

export interface ConnectionManager {
  stat_prefix: string;
  http_filters: { readonly name: string }[];
}

export interface Cluster {
  readonly name: string;
  readonly eds_cluster_config?: {
    readonly eds_config: {
      path_config_source: { path: string; watched_directory: { path: string } };
    };
  };
  load_assignment?: {
    readonly endpoints: { readonly lb_endpoints: { endpoint: { address: Address } }[] }[];
  };
}

export type Address =
  | { socket_address: { address: string; port_value: number } }
  | { pipe: { path: string } };

/** Reads a bootstrap of this folder and puts the places in. Envoy takes the result as JSON. */
export async function fillBootstrap(
  name: BootstrapName,
  places: BootstrapPlaces,
): Promise<Bootstrap> {
  const text = await readFile(join(import.meta.dirname, `${name}.yaml`), "utf8");
  const bootstrap = parse(text) as Bootstrap; // our own file; Envoy validates it
  bootstrap.admin.address = loopback(places.adminPort);
  for (const listener of bootstrap.static_resources.listeners) {
    listener.address = loopback(places.listenPort);
  }
  for (const cluster of bootstrap.static_resources.clusters) placeCluster(cluster, places);
  return bootstrap;
}

function placeCluster(cluster: Cluster, { extproc, edsFile }: BootstrapPlaces): void {
  const upstream = cluster.load_assignment?.endpoints[0]?.lb_endpoints[0]?.endpoint;
  if (cluster.name === "ext_proc" && upstream !== undefined) {
    upstream.address =
      typeof extproc === "number" ? loopback(extproc) : { pipe: { path: extproc } };
  }
  const source = cluster.eds_cluster_config?.eds_config;
  if (source === undefined) return;
  if (edsFile === undefined) throw new Error(`cluster ${cluster.name} needs an EDS file`);
  const path = edsFile.replaceAll("{pool}", cluster.name);
  source.path_config_source = { path, watched_directory: { path: dirname(path) } };
}

function loopback(port: number): Address {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}
