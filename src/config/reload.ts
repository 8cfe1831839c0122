/**
 * Applies a changed configuration to a running program: the endpoints and weights of its pools, without dropping a stream.
 * Every other key needs a restart and is named, so that nobody believes that it took effect. A file that cannot be used
 * leaves everything as it was.
 */
import type { FileDiscovery } from "../endpoints/discovery/file-discovery.ts";
import { StaticDiscovery } from "../endpoints/discovery/static-discovery.ts";
import { AppError } from "../errors.ts";
import { loadConfig, type Config } from "./config.ts";

export interface ReloadObserver {
  /** `needsRestart`: top-level keys that differ from those in force. */
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
  readonly observer: ReloadObserver;
}

export class ConfigReload {
  readonly #options: ConfigReloadOptions;
  /** One reload after the other. */
  #running: Promise<void> = Promise.resolve();

  constructor(options: ConfigReloadOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  now(): Promise<void> {
    this.#running = this.#running.then(() => this.#reload());
    return this.#running;
  }

  async #reload(): Promise<void> {
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
      if (discovery instanceof StaticDiscovery) {
        if (source.kind === "static") discovery.replace(source.endpoints);
      } else if (discovery !== undefined) await discovery.reload();
    }
    observer.reloaded(changedKeys(withoutEndpoints(config), withoutEndpoints(next)));
  }
}

/** The configuration without what a reload applies. */
function withoutEndpoints(config: Config): Readonly<Record<string, unknown>> {
  const pools = config.pools.map(({ name, models, source }) => ({
    name,
    models,
    source: source.kind === "static" ? "static" : source.path,
  }));
  return { ...config, pools };
}

function changedKeys(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): string[] {
  return Object.keys(after).filter(
    (key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]),
  );
}
