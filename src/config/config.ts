/**
 * The configuration as the parts of the program see it: parsed once from YAML into a frozen object, with every default filled in
 * and file paths absolute. Nothing re-reads it; each part receives its slice.
 *
 * Parsing is three passes that all report before anything is refused: single keys (schema.ts), rules between keys (rules.ts),
 * and endpoint items with their share of the ring.
 */
import { dirname, resolve } from "node:path";
import type * as z from "zod";
import type { EndpointSpec } from "../endpoints/endpoint.ts";
import { parseEndpointItems } from "../endpoints/spec.ts";
import { AppError } from "../errors.ts";
import { describeFileFailure } from "../file-failure.ts";
import type { ModelProfile } from "../kv/model/profile.ts";
import { absoluteSlots, absoluteTokenizer, withAbsolutePaths } from "./absolute-paths.ts";
import { capacityProblems } from "./capacity.ts";
import { valueAt, type Path } from "./document-path.ts";
import { parseYaml, readDocument } from "./document.ts";
import { checkKvRules } from "./kv-rules.ts";
import { namedFiles, type NamedFile } from "./named-files.ts";
import { describeIssue } from "./problems.ts";
import type { PriceKeys } from "./price-schema.ts";
import { checkRules } from "./rules.ts";
import { affinitySchema, configSchema } from "./schema.ts";
import { checkTurnRules, dialectKeys } from "./turn-rules.ts";
import type { SlotKeys } from "./slot-schema.ts";
import type { TurnKeys } from "./turn-schema.ts";

type Frozen<T> = T extends string | number | boolean | null | undefined
  ? T
  : { readonly [Key in keyof T]: Frozen<T[Key]> };

type Shape = z.output<typeof configSchema>;

/** Where the endpoints of a pool come from. */
export type EndpointSource =
  | { readonly kind: "static"; readonly endpoints: readonly EndpointSpec[] }
  /** A file that is watched; `path` is absolute. */
  | { readonly kind: "file"; readonly path: string };

export interface PoolConfig {
  readonly name: string;
  /** Empty for the default pool. */
  readonly models: readonly string[];
  readonly source: EndpointSource;
  /** How the pool's engines keep KV; null where nothing of it is stored. */
  readonly kv: PoolKvConfig | null;
}

export interface PoolKvConfig extends Frozen<TurnKeys> {
  /** Null where the engines keep KV in slots. */
  readonly profile: ModelProfile | null;
  readonly prices: Frozen<PriceKeys> | null;
  readonly slots: Frozen<SlotKeys>;
}

export type Config = Frozen<Omit<Shape, "pools">> & { readonly pools: readonly PoolConfig[] };

/** A configuration file as far as it can be understood. */
export interface ConfigReading {
  /** Undefined where the file itself has a problem. */
  readonly config: Config | undefined;
  readonly problems: readonly string[];
  readonly files: readonly NamedFile[];
  /** `affinity.ringSlots`, where its section has no problem. */
  readonly ringSlots: number | undefined;
  /** It is a document, and none with a `kv` section. */
  readonly lacksKv: boolean;
  /** Where a pool names its dialect: `pools[0].kv.dialect`. */
  readonly dialects: readonly string[];
}

/** Throws `config_invalid` when the file cannot be read, or as `parseConfig`. What it names is not looked at. */
export async function loadConfig(path: string): Promise<Config> {
  return accept(path, await readConfig(path));
}

/** Throws one `config_invalid` that lists every problem, one per line. Relative files are resolved from the folder of `path`. */
export function parseConfig(text: string, { path }: { readonly path: string }): Config {
  return accept(path, understand(text, path));
}

/** Throws `config_invalid` when the file cannot be read; all else that is wrong with it is told in `problems`. */
export async function readConfig(path: string): Promise<ConfigReading> {
  let text: string;
  try {
    text = await readDocument(path);
  } catch (cause) {
    const why = describeFileFailure(cause);
    throw new AppError("config_invalid", `${path} cannot be read: ${why}`, { cause });
  }
  return understand(text, path);
}

/** The configuration of a reading without a problem; throws one `config_invalid` that lists them all. */
export function accept(
  path: string,
  { config, problems }: Pick<ConfigReading, "config" | "problems">,
): Config {
  if (config !== undefined && problems.length === 0) return config;
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const list = problems.map((problem) => `\n${problem}`.replaceAll("\n", "\n  "));
  throw new AppError("config_invalid", `${path}: ${count}${list.join("")}`);
}

function understand(text: string, path: string): ConfigReading {
  const document = parseYaml(text);
  if (document.kind === "unreadable") {
    const { problems } = document;
    const nothing = { files: [], dialects: [], ringSlots: undefined, lacksKv: false };
    return { config: undefined, problems, ...nothing };
  }
  const folder = dirname(path);
  const shape = parseShape(document.value, folder);
  const { data: affinity } = affinitySchema.safeParse(valueAt(document.value, "affinity") ?? {});
  const pools = parsePools(document.value, affinity?.ringSlots);
  const problems = [...shape.problems, ...pools.problems];
  return {
    config:
      shape.data === undefined || problems.length > 0
        ? undefined
        : freeze(assemble(shape.data, pools.endpoints, folder)),
    problems,
    files: namedFiles(document.value, folder),
    ringSlots: affinity?.ringSlots,
    lacksKv: (valueAt(document.value, "kv") ?? null) === null,
    dialects: dialectKeys(document.value),
  };
}

function parseShape(
  document: unknown,
  folder: string,
): { data: Shape | undefined; problems: string[] } {
  const ruled = configSchema.superRefine(
    (value, context) => {
      const report = (path: Path, message: string) => {
        context.addIssue({ code: "custom", path: [...path], message });
      };
      checkRules(value, report);
      checkKvRules(value, folder, report);
      checkTurnRules(value, report);
    },
    { when: ({ value }) => typeof value === "object" && value !== null },
  );
  const { data, error } = ruled.safeParse(document);
  const problems = error?.issues.flatMap((issue) => describeIssue(issue, document)) ?? [];
  return { data, problems };
}

/** The static endpoints by pool, undefined for a pool that has none in this file. */
function parsePools(
  document: unknown,
  ringSlots: number | undefined,
): {
  endpoints: (readonly EndpointSpec[] | undefined)[];
  problems: string[];
} {
  const pools = valueAt(document, "pools");
  const problems: string[] = [];
  const endpoints = (Array.isArray(pools) ? pools : []).map((pool, index) => {
    const items = valueAt(pool, "endpoints");
    if (!Array.isArray(items)) return undefined;
    const where = `pools[${index}].endpoints`;
    const parsed = parseEndpointItems(items, where);
    problems.push(...parsed.problems);
    if (ringSlots !== undefined) {
      problems.push(...capacityProblems(where, parsed.specs, ringSlots));
    }
    return parsed.specs;
  });
  return { endpoints, problems };
}

function assemble(
  shape: Shape,
  endpoints: readonly (readonly EndpointSpec[] | undefined)[],
  folder: string,
): Config {
  return {
    ...withAbsolutePaths(shape, folder),
    pools: shape.pools.map(({ name, models, endpointsFile, kv }, index) => ({
      name,
      models,
      kv: kv && {
        ...kv,
        tokenizer: absoluteTokenizer(kv.tokenizer, folder),
        slots: absoluteSlots(kv.slots, folder),
      },
      source:
        endpointsFile === undefined
          ? { kind: "static", endpoints: endpoints[index] ?? [] }
          : { kind: "file", path: resolve(folder, endpointsFile) },
    })),
  };
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const child of Object.values(value)) freeze(child);
  return Object.freeze(value);
}
