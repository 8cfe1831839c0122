/**
 * `moorline check-config`: everything that `serve` would find wrong with the files, without listening or connecting anywhere.
 */
import { access, constants } from "node:fs/promises";
import { expectedSlots } from "../affinity/ring.ts";
import { systemClock } from "../clock.ts";
import { FileDiscovery } from "../endpoints/discovery/file-discovery.ts";
import type { EndpointSpec } from "../endpoints/endpoint.ts";
import { AppError } from "../errors.ts";
import { capacityProblems } from "./capacity.ts";
import { invalid, loadConfig } from "./config.ts";
import type { Config, PoolConfig } from "./config.ts";

/** Resolves to one line that sums up. Rejects with one `config_invalid` that lists every problem of all the files. */
export async function checkConfig(path: string): Promise<string> {
  const config = await loadConfig(path);
  const { ringSlots } = config.affinity;
  const problems: string[] = [];
  const lists = await Promise.all(
    config.pools.map((pool) => endpointsOf(pool, ringSlots, problems)),
  );
  problems.push(...(await unreadableFiles(config)));
  if (problems.length > 0) throw invalid(path, problems);
  const endpoints = lists.reduce((sum, list) => sum + list.length, 0);
  const smallest = lists
    .flatMap((list) => expectedSlots(list, ringSlots).slice(0, 1))
    .toSorted((a, b) => a.slots - b.slots)[0];
  const slots = smallest === undefined ? "none" : `${smallest.slots.toFixed(1)} of ${smallest.id}`;
  return `ok: pools ${lists.length}, endpoints ${endpoints}, smallest expected slots ${slots}`;
}

async function endpointsOf(
  { source }: PoolConfig,
  ringSlots: number,
  problems: string[],
): Promise<readonly EndpointSpec[]> {
  if (source.kind === "static") return source.endpoints;
  const { path } = source;
  const file = new FileDiscovery({ path, scheduler: systemClock, rejected: () => undefined });
  let endpoints: readonly EndpointSpec[] = [];
  try {
    await file.start((list) => (endpoints = list));
    problems.push(...capacityProblems(`${path} endpoints`, endpoints, ringSlots));
  } catch (reason) {
    problems.push(AppError.from(reason).message);
  } finally {
    await file.close();
  }
  return endpoints;
}

async function unreadableFiles({ extproc, admin }: Config): Promise<string[]> {
  const files: readonly (readonly [key: string, path: string | null | undefined])[] = [
    ["extproc.tls.certFile", extproc.tls?.certFile],
    ["extproc.tls.keyFile", extproc.tls?.keyFile],
    ["extproc.tls.clientCaFile", extproc.tls?.clientCaFile],
    ["admin.tokenFile", admin.tokenFile],
  ];
  const problems: string[] = [];
  for (const [key, path] of files) {
    if (path === null || path === undefined) continue;
    try {
      await access(path, constants.R_OK);
    } catch (reason) {
      problems.push(`${key} ${path} cannot be read: ${AppError.from(reason).message}`);
    }
  }
  return problems;
}
