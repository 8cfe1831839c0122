/**
 * `moorline check-config`: everything that `serve` would find wrong with the files, without listening or connecting anywhere.
 */
import { expectedSlots } from "../affinity/ring.ts";
import { readEndpointsFile } from "../endpoints/discovery/file-discovery.ts";
import type { EndpointSpec } from "../endpoints/endpoint.ts";
import { AppError } from "../errors.ts";
import { ROLES, type Roles } from "../roles.ts";
import { capacityProblems } from "./capacity.ts";
import { accept, readConfig } from "./config.ts";
import type { Config, ConfigReading } from "./config.ts";
import { tokenizerFiles, turnPools } from "./kv-config.ts";
import { fileProblems, roleOf } from "./named-files.ts";
import { configWarnings } from "./warnings.ts";

/**
 * As `loadConfig`, and the files and folders that it names are there: all problems at once. Where `roles` are given, it must have
 * what they need, and files of the other half of the program are not looked at.
 */
export async function loadUsableConfig(path: string, roles?: Roles): Promise<Config> {
  return accept(path, await readWithFiles(path, roles));
}

/** What a process is to do: what it was told, else all that the configuration has. */
export function rolesOf({ kv }: Pick<Config, "kv">, told: Roles | undefined): Roles {
  return told ?? (kv === null ? ["routing"] : ROLES);
}

export interface CheckedConfig {
  /** One line. */
  readonly summary: string;
  readonly warnings: readonly string[];
}

/** Rejects with one `config_invalid` that lists every problem of all the files. */
export async function checkConfig(path: string, roles?: Roles): Promise<CheckedConfig> {
  const reading = await readWithFiles(path, roles);
  const lists = await readLists(reading);
  const told = [...reading.problems, ...lists.problems];
  const problems = [...told, ...(await tokenizerProblems({ ...reading, problems: told }))];
  const config = accept(path, { ...reading, problems });
  const all = config.pools.map(({ source }) =>
    source.kind === "static" ? source.endpoints : (lists.byPath.get(source.path) ?? []),
  );
  const endpoints = all.reduce((sum, list) => sum + list.length, 0);
  const smallest = all
    .flatMap((list) => expectedSlots(list, config.affinity.ringSlots).slice(0, 1))
    .toSorted((a, b) => a.slots - b.slots)[0];
  const slots = smallest === undefined ? "none" : `${smallest.slots.toFixed(1)} of ${smallest.id}`;
  return {
    summary: `ok: pools ${all.length}, endpoints ${endpoints}, smallest expected slots ${slots}`,
    warnings: configWarnings(config, all),
  };
}

async function readWithFiles(path: string, roles: Roles | undefined): Promise<ConfigReading> {
  const reading = await readConfig(path);
  const files = reading.files.filter((file) => {
    const role = roleOf(file);
    return role === undefined || roles === undefined || roles.includes(role);
  });
  const problems = [
    ...reading.problems,
    ...roleProblems(reading, roles),
    ...(await fileProblems(files)),
  ];
  return { ...reading, files, problems };
}

function roleProblems({ lacksKv, dialects }: ConfigReading, roles: Roles | undefined): string[] {
  if (roles === undefined) return [];
  if (roles.includes("kv")) return lacksKv ? ["kv is required, because --roles has kv"] : [];
  if (lacksKv) return []; // said already, where it is said at all
  // Fail closed: requests to these pools would pass unread, and a forged field reads another user's file.
  const why = "only a process with both removes what clients forge from what it routes to the pool";
  return dialects.map((key) => `${key} needs --roles routing,kv: ${why}`);
}

/** Of tokenizers whose files are there. What loads them is loaded where there is one alone. */
async function tokenizerProblems({ config, problems }: ConfigReading): Promise<string[]> {
  const found: string[] = [];
  const pools = config?.pools ?? [];
  for (const pool of turnPools(pools)) {
    const key = `pools[${pools.indexOf(pool)}].kv.tokenizer`;
    const files = tokenizerFiles(pool);
    if (files === undefined || problems.some((problem) => problem.startsWith(key))) continue;
    const { checkTokenizer } = await import("../kv/tokens/open-prompt-tokens.ts");
    try {
      await checkTokenizer(files);
    } catch (reason) {
      found.push(`${key}: ${AppError.from(reason).message}`);
    }
  }
  return found;
}

/** The endpoints files, by path. Their share of the ring is judged where its size is known. */
async function readLists({ files, ringSlots }: ConfigReading) {
  const byPath = new Map<string, readonly EndpointSpec[]>();
  const problems: string[] = [];
  for (const { path } of files.filter(({ kind }) => kind === "endpoints")) {
    try {
      const endpoints = await readEndpointsFile(path);
      byPath.set(path, endpoints);
      if (ringSlots === undefined) continue;
      problems.push(...capacityProblems(`${path} endpoints`, endpoints, ringSlots));
    } catch (reason) {
      problems.push(AppError.from(reason).message);
    }
  }
  return { byPath, problems };
}
