/** What the KV half stores, for the service and for whoever checks it while there is none. */
import { randomUUID } from "node:crypto";
import type { Closers } from "./closers.ts";
import { systemClock, systemWallClock } from "./clock.ts";
import { directoryOf, type KvConfig } from "./config/kv-config.ts";
import { AppError } from "./errors.ts";
import type { Catalog } from "./kv/catalog.ts";
import { lockCatalog } from "./kv/catalog/catalog-lock.ts";
import { LmdbStore } from "./kv/catalog/lmdb.ts";
import { openCatalog } from "./kv/catalog/rule-catalog.ts";
import { type Location, LocationFault } from "./kv/location.ts";
import { openDirectory } from "./kv/locations/directory.ts";
import { type OperationEnd, timed } from "./kv/locations/timed.ts";

export interface KvStore {
  readonly catalog: Catalog;
  /** By id, in the order of the configuration. */
  readonly locations: ReadonlyMap<string, Location>;
}

export interface KvStoreOptions {
  readonly closers: Closers;
  /** Told of each operation of a location. */
  readonly ended: (end: OperationEnd) => void;
}

/** Throws `config_invalid` where another process has the catalog, or a location cannot be used. */
export async function openKvStore(kv: KvConfig, options: KvStoreOptions): Promise<KvStore> {
  const catalog = await openKvCatalog(kv, options.closers);
  return { catalog, locations: await openLocations(kv, { ...options, catalog }) };
}

/** Throws `config_invalid` where another process has the catalog, and `catalog_invalid` where it cannot be used. */
export async function openKvCatalog(kv: KvConfig, closers: Closers): Promise<Catalog> {
  await lock(kv, closers);
  const catalog = await openCatalog(new LmdbStore(kv.catalog));
  closers.add(() => catalog.close());
  return catalog;
}

export interface LocationsOptions extends KvStoreOptions {
  /** Says which locations have files. */
  readonly catalog: Pick<Catalog, "locationUsage">;
}

/** By id, in the order of the configuration. Throws `config_invalid` where one cannot be used. */
export async function openLocations(
  kv: KvConfig,
  { catalog, closers, ended }: LocationsOptions,
): Promise<ReadonlyMap<string, Location>> {
  const locations = new Map<string, Location>();
  for (const config of kv.locations) {
    const { bookedBytes } = await catalog.locationUsage(config.id);
    const location = await openDirectory({
      ...directoryOf(config),
      isKnown: bookedBytes > 0,
      nowMs: systemWallClock,
      draftId: randomUUID,
    });
    if (location instanceof LocationFault) {
      const message = `kv.locations ${config.id} cannot be used: ${location.message}`;
      throw new AppError("config_invalid", message, { cause: location });
    }
    closers.add(() => location.close());
    locations.set(config.id, timed(location, { clock: systemClock, ended }));
  }
  return locations;
}

async function lock({ catalog: { path } }: KvConfig, closers: Closers): Promise<void> {
  const outcome = await lockCatalog({ path, newName: randomUUID });
  if (outcome.kind === "locked") {
    closers.add(() => outcome.lock.close());
    return;
  }
  const holder = outcome.by === undefined ? "another process" : `process ${outcome.by}`;
  throw new AppError("config_invalid", `kv.catalog.path ${path} is in use by ${holder}`);
}
