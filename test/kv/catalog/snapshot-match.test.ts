/** The same prompt, asked in many sessions: what is looked at of all their snapshots, and which one it comes to. */
import { beforeEach, expect, it } from "vitest";
import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import type { CatalogTransaction } from "../../../src/kv/catalog/transaction.ts";
import { KvDesk } from "../../support/kv-desk.ts";
import { matchSnapshot, type SavedSnapshot, save } from "../../support/kv-snapshots.ts";

const PROMPT = "what is asked of everybody";
const NEXT = `${PROMPT}, and then`;

/** Counts the records that are read. */
class CountingStore extends MemoryStore {
  gets = 0;

  override read<T>(view: (view: CatalogTransaction) => T): T {
    return super.read((inner) =>
      view({
        ...inner,
        get: (key) => {
          this.gets++;
          return inner.get(key);
        },
      }),
    );
  }
}

let store: CountingStore;
let desk: KvDesk;
let made: number;

beforeEach(async () => {
  store = new CountingStore();
  desk = new KvDesk(await openCatalog(store));
  made = 0;
  // As the names of real snapshots, which are in the order of their making.
  while (desk.nextName() < 1_000);
  await desk.create("s");
});

/** The last of so many, each of a session of its own. */
async function saveMany(count: number): Promise<SavedSnapshot> {
  const name = `other-${++made}`;
  await desk.create(name);
  desk.nowMs += 1;
  const saved = await save(desk, { name, text: PROMPT });
  return count > 1 ? await saveMany(count - 1) : saved;
}

async function match() {
  const found = await matchSnapshot(desk, { name: "s", text: NEXT });
  return [found?.segment.id, found?.commonUnits];
}

it("is the newest, and takes no longer to find among more of them", async () => {
  let newest = await saveMany(70);
  const before = store.gets;
  expect(await match()).toEqual([newest.segment, PROMPT.length]);
  const few = store.gets - before;
  newest = await saveMany(70);
  const between = store.gets;
  expect(await match()).toEqual([newest.segment, PROMPT.length]);
  expect(store.gets - between).toBe(few);
});

it("is what the session lists itself, to the last letter, however many are newer", async () => {
  const own = await save(desk, { name: "s", text: PROMPT });
  await saveMany(70);
  expect(await match()).toEqual([own.segment, PROMPT.length]);
});
