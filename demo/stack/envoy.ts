/**
 * A real Envoy as a child process. It takes free ports itself and is asked for them, so that several can start at once.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Bootstrap } from "../../envoy/bootstrap.ts";
import { envoyBinary } from "../../envoy/fetch.ts";
import { startChild, waitUntilReady } from "./child.ts";
import type { Child } from "./child.ts";
import { createFolder, removeFolder } from "./folder.ts";

/** An image to run in place of the binary. */
const image = process.env["ENVOY_IMAGE"];
const readyDeadlineMs = 30_000;
const flags = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"];

export interface EnvoyOptions {
  readonly bootstrap: Bootstrap;
  /** Overrides the binary, for a check on another version. */
  readonly binary?: string;
}

export interface Envoy {
  readonly child: Child;
  readonly adminUrl: string;
  /** The port of a listener; without a name that of `ingress`. */
  port(listener?: string): number;
  url(listener?: string): string;
  /** Counters and gauges whose name matches, by name. */
  stats(pattern: RegExp): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

/** Resolves when Envoy serves. The EDS files that the bootstrap names must exist. */
export async function startEnvoy({ bootstrap, binary }: EnvoyOptions): Promise<Envoy> {
  const folder = await createFolder("moorline-envoy-");
  const configPath = join(folder, "envoy.json");
  const adminPath = join(folder, "admin-address");
  await writeFile(configPath, JSON.stringify(bootstrap));
  const args = ["-c", configPath, "--admin-address-path", adminPath, ...flags];
  const program =
    image === undefined || binary !== undefined
      ? { command: binary ?? (await envoyBinary()), args }
      : { image, args, folders: [folder, ...edsFolders(bootstrap)] };
  const child = startChild({ label: "Envoy", ...program });
  const close = async () => {
    await child.close();
    await removeFolder(folder);
  };

  let adminUrl = "";
  const check = async () => {
    adminUrl = `http://${await readFile(adminPath, "utf8")}`;
    return (await fetch(`${adminUrl}/ready`)).ok;
  };
  try {
    await waitUntilReady(child, { deadlineMs: readyDeadlineMs, check });
    const ports = await readListenerPorts(adminUrl);
    const port = (listener = "ingress") => ports.get(listener) ?? fail(`no listener ${listener}`);
    return {
      child,
      adminUrl,
      port,
      url: (listener) => `http://127.0.0.1:${port(listener)}`,
      stats: async (pattern) => readStats(adminUrl, pattern),
      close,
    };
  } catch (reason) {
    await close();
    throw reason;
  }
}

function edsFolders({ static_resources: { clusters } }: Bootstrap): readonly string[] {
  const sources = clusters.flatMap((cluster) => cluster.eds_cluster_config ?? []);
  const paths = sources.map(
    (source) => source.eds_config.path_config_source.watched_directory.path,
  );
  return [...new Set(paths)];
}

async function readListenerPorts(adminUrl: string): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${adminUrl}/listeners?format=json`);
  const { listener_statuses: listeners } = (await response.json()) as ListenerReport;
  return new Map(
    listeners.map(({ name, local_address: local }) => [name, local.socket_address.port_value]),
  );
}

interface ListenerReport {
  readonly listener_statuses: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address: { readonly port_value: number } };
  }[];
}

async function readStats(adminUrl: string, pattern: RegExp) {
  const response = await fetch(`${adminUrl}/stats?format=json`);
  const { stats } = (await response.json()) as StatsReport;
  return Object.fromEntries(
    stats.flatMap(({ name, value }) =>
      name !== undefined && value !== undefined && pattern.test(name) ? [[name, value]] : [],
    ),
  );
}

/** Histograms come in the same list, in another form. */
interface StatsReport {
  readonly stats: readonly { readonly name?: string; readonly value?: number }[];
}

function fail(message: string): never {
  throw new Error(message);
}
