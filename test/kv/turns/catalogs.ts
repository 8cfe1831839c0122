/** The catalogs that every test of turns runs over. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { LmdbStore } from "../../../src/kv/catalog/lmdb.ts";
import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { type BenchOptions, TurnBench } from "../../support/turn-bench.ts";

export interface CatalogKind {
  readonly name: string;
  open(): Promise<Catalog>;
}

export const CATALOGS: readonly [CatalogKind, CatalogKind] = [
  { name: "memory", open: () => openCatalog(new MemoryStore()) },
  { name: "lmdb", open: openLmdb },
];

/** Every bench that a test opened, with the catalog of the kind under test. */
export class Benches {
  readonly #kind: CatalogKind;
  readonly #open: TurnBench[] = [];

  constructor(kind: CatalogKind) {
    this.#kind = kind;
  }

  /** `around`: what the desk gets in place of the catalog, for what happens between two of its rules. */
  async open(
    options: Omit<BenchOptions, "catalog"> = {},
    around = (catalog: Catalog) => catalog,
  ): Promise<TurnBench> {
    const catalog = around(await this.#kind.open());
    const bench = await TurnBench.open({ ...options, catalog });
    this.#open.push(bench);
    return bench;
  }

  /** With the session `a`, under a policy that differs from the bench's own only in this. */
  async openWith(policy: BenchOptions["policy"] = {}): Promise<TurnBench> {
    const bench = await this.open({ policy });
    await bench.create("a");
    return bench;
  }

  /** What the audits of their catalogs found. */
  async close(): Promise<readonly string[]> {
    const faults: string[] = [];
    for (const bench of this.#open.splice(0)) faults.push(...(await bench.close()));
    return faults;
  }
}

async function openLmdb(): Promise<Catalog> {
  const path = await mkdtemp(join(tmpdir(), "moorline-turns-catalog-"));
  const catalog = await openCatalog(new LmdbStore({ path, durability: "process" }));
  return {
    ...catalog,
    close: async () => {
      await catalog.close();
      await rm(path, { recursive: true });
    },
  };
}
