/** A process that a test kills. `ROOT CATALOG SESSION`: keeps snapshot after snapshot, and writes the id of each that is kept to stdout. */
import { randomUUID } from "node:crypto";
import { argv, stdout } from "node:process";

import { LmdbStore } from "../../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { SnapshotBench } from "../../support/kv/snapshot-bench.ts";

const [, , root = "", path = "", name = ""] = argv;
const catalog = await openCatalog(new LmdbStore({ path, durability: "process" }));
const bench = await SnapshotBench.open({ root, catalog, newName: randomUUID });
await bench.create(name);
for (let turn = 1; ; turn++) {
  const { id } = await bench.kept(name, `A turn of ${name}. `.repeat(turn));
  stdout.write(`${id}\n`);
}
