/** The one version of all records and keys together. */
import { AppError } from "../../errors.ts";
import { decode, encode, uint } from "./codec.ts";
import { schemaKey } from "./keys.ts";
import type { CatalogTransaction } from "./transaction.ts";
import { upgradeFrom1 } from "./upgrade-1.ts";
import { upgradeFrom2 } from "./upgrade-2.ts";
import { upgradeFrom3 } from "./upgrade-3.ts";

export const SCHEMA_VERSION = 4;

/** Rewrites a catalog of one version as the next one, inside the transaction that raises the version. */
export type Upgrade = (tx: CatalogTransaction) => void;

/** By the version that each starts from. */
export const UPGRADES: ReadonlyMap<number, Upgrade> = new Map([
  [1, upgradeFrom1],
  [2, upgradeFrom2],
  [3, upgradeFrom3],
]);

export interface Schema {
  readonly version: number;
  readonly upgrades: ReadonlyMap<number, Upgrade>;
}

/** Brings what is there to the schema, or refuses: a newer catalog is never written by an older program. */
export function openSchema(tx: CatalogTransaction, { version, upgrades }: Schema): void {
  const encoded = tx.get(schemaKey);
  let found = encoded === undefined ? version : parseVersion(encoded);
  if (found > version) {
    const known = `this program knows versions up to ${version}`;
    const cure = "run a later one, or restore or move away what is in kv.catalog.path";
    const message = `catalog has schema version ${found}, and ${known}; ${cure}`;
    throw new AppError("catalog_invalid", message);
  }
  for (; found < version; found++) {
    const upgrade = upgrades.get(found);
    if (upgrade === undefined) {
      throw new AppError("internal", `catalog schema version ${found} cannot be upgraded`);
    }
    upgrade(tx);
  }
  tx.put(schemaKey, encode(uint, version));
}

function parseVersion(encoded: Uint8Array): number {
  try {
    return decode(uint, encoded);
  } catch (cause) {
    const cure = "restore or move away what is in kv.catalog.path";
    throw new AppError("catalog_invalid", `catalog has no readable schema version; ${cure}`, {
      cause,
    });
  }
}
