/**
 * A process whose catalog has no room left: `node full-catalog.ts FOLDER`, under a limit of file sizes. It makes sessions until
 * rules have failed three times, and then says what it was answered, and whether the catalog has that and nothing else.
 */
import { LmdbStore } from "../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../src/kv/catalog/rule-catalog.ts";
import { key, KvDesk } from "./kv-desk.ts";

const [folder = ""] = process.argv.slice(2);
const catalog = await openCatalog(new LmdbStore({ path: folder, durability: "power_loss" }));
const desk = new KvDesk(catalog);
const failures: string[] = [];
let made = 0;
for (; failures.length < 3 && made < 100_000; made++) {
  const name = `s${made + failures.length}`;
  const why = await desk.create(name).then(
    () => undefined,
    (reason: unknown) => String(reason),
  );
  if (why === undefined) continue;
  made--;
  failures.push(why);
  // What nobody handled is met once the queues are empty.
  await new Promise((resolve) => setImmediate(resolve));
}
const { sessions } = await catalog.tenantUsage("t");
const isThere = (await catalog.session(key(`s${made - 1}`))) !== undefined;
const faults = await catalog.audit();
process.stdout.write(JSON.stringify({ failures, isExact: sessions === made && isThere, faults }));
process.exit(0);
