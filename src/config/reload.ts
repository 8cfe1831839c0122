/**
 * Applies a changed configuration to a running program: the endpoints and weights of its pools, without dropping a stream.
 * Every other key needs a restart and is named, so that nobody believes that it took effect. A file that cannot be used
 * leaves everything as it was.
 */
import type { Scheduler } from "../clock.ts";
import type { FileDiscovery } from "../endpoints/discovery/file-discovery.ts";
import { StaticDiscovery } from "../endpoints/discovery/static-discovery.ts";
import { AppError } from "../errors.ts";
import { readContent, WatchedFile } from "../watched-file.ts";
import { loadConfig, type Config } from "./config.ts";
import { CONFIG_FILE_LIMIT_BYTES } from "./document.ts";

export interface ReloadObserver {
  /** `needsRestart`: keys that differ from those in force, such as `health.path`. */
  reloaded(needsRestart: readonly string[]): void;
  /** The last good configuration stays. */
  refused(error: AppError): void;
}

export interface ConfigReloadOptions {
  readonly configPath: string;
  /** In force since the start. */
  readonly config: Config;
  /** By pool name. */
  readonly discoveries: ReadonlyMap<string, StaticDiscovery | FileDiscovery>;
  readonly scheduler: Scheduler;
  readonly observer: ReloadObserver;
}

/** Reloads on each change of the file from now on, and when told. */
export async function openConfigReload(options: ConfigReloadOptions): Promise<ConfigReload> {
  const reload = new ConfigReload(options);
  await reload.open();
  return reload;
}

export class ConfigReload {
  readonly #options: ConfigReloadOptions;
  readonly #file: WatchedFile;

  constructor(options: ConfigReloadOptions) {
    this.#options = options;
    this.#file = new WatchedFile({
      path: options.configPath,
      limitBytes: CONFIG_FILE_LIMIT_BYTES,
      scheduler: options.scheduler,
      changed: () => this.#apply(),
    });
  }

  async open(): Promise<void> {
    this.#file.open(await readContent(this.#options.configPath, CONFIG_FILE_LIMIT_BYTES));
  }

  /** As a signal asks for: reads the configuration, and every endpoints file, also where nothing has changed. Never rejects. */
  async now(): Promise<void> {
    await this.#file.reload();
    for (const discovery of this.#options.discoveries.values()) {
      if (!(discovery instanceof StaticDiscovery)) await discovery.reload();
    }
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#file.close();
  }

  async #apply(): Promise<void> {
    const { configPath, config, discoveries, observer } = this.#options;
    let next: Config;
    try {
      next = await loadConfig(configPath);
    } catch (reason) {
      observer.refused(AppError.from(reason));
      return;
    }
    for (const { name, source } of next.pools) {
      const discovery = discoveries.get(name);
      if (discovery instanceof StaticDiscovery && source.kind === "static") {
        discovery.replace(source.endpoints);
      }
    }
    observer.reloaded(changedKeys(withoutEndpoints(config), withoutEndpoints(next)));
  }
}

/** The configuration without what a reload applies. */
function withoutEndpoints(config: Config): Mapping {
  const pools = config.pools.map(({ source, ...pool }) => ({
    ...pool,
    source: source.kind === "static" ? "static" : source.path,
  }));
  return { ...config, pools };
}

/** Down to single keys, such as `health.path`; a list, or what is a mapping on one side only, is a key as a whole. */
function changedKeys(before: Mapping, after: Mapping): string[] {
  return Object.keys(after).flatMap((key) => {
    const [old, now] = [before[key], after[key]];
    if (isMapping(old) && isMapping(now)) {
      return changedKeys(old, now).map((inner) => `${key}.${inner}`);
    }
    return JSON.stringify(old) === JSON.stringify(now) ? [] : [key];
  });
}

type Mapping = Readonly<Record<string, unknown>>;

/** A listen address is none: it is parsed from one text. */
function isMapping(value: unknown): value is Mapping {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return !Object.hasOwn(value, "kind");
}
