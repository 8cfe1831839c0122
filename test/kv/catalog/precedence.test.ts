import { beforeEach, expect, it } from "vitest";
import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { GIVES_WAY_LIMIT, Precedence } from "../../../src/kv/catalog/precedence.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { key } from "../../support/kv-desk.ts";

let precedence: Precedence;
let begun: string[];
let commits: PromiseWithResolvers<void>[];
beforeEach(() => {
  precedence = new Precedence();
  begun = [];
  commits = [];
});

function write(name: string) {
  return () => {
    begun.push(name);
    const commit = Promise.withResolvers<void>();
    commits.push(commit);
    return commit.promise;
  };
}

/** Of the oldest write under way. */
async function commitNext(): Promise<void> {
  commits.shift()?.resolve();
  await new Promise(setImmediate);
}

it("begins upkeep at once while nobody asks for anything", () => {
  void precedence.upkeep(write("sweep"));
  expect(begun).toEqual(["sweep"]);
});

it("begins upkeep after the answers to all requests before it, in the order of its calls", async () => {
  void precedence.request(write("plan"));
  void precedence.upkeep(write("unlinked"));
  void precedence.upkeep(write("sweep"));
  void precedence.request(write("settle"));
  await commitNext();
  expect(begun).toEqual(["plan", "settle"]);
  await commitNext();
  expect(begun).toEqual(["plan", "settle", "unlinked", "sweep"]);
});

it("lets no request wait for upkeep to begin", () => {
  void precedence.upkeep(write("sweep"));
  void precedence.request(write("plan"));
  expect(begun).toEqual(["sweep", "plan"]);
});

it("begins upkeep though requests follow each other without end", async () => {
  void precedence.request(write("plan"));
  void precedence.upkeep(write("sweep"));
  for (let answers = 0; answers < GIVES_WAY_LIMIT; answers++) {
    expect(begun).not.toContain("sweep");
    void precedence.request(write("plan"));
    await commitNext();
  }
  expect(begun.at(-1)).toBe("sweep");
});

it("begins upkeep after a request that fails, and tells that to whoever asked", async () => {
  const failing = precedence.request(async () => {
    throw new Error("full");
  });
  void precedence.upkeep(write("sweep"));
  await expect(failing).rejects.toThrow("full");
  expect(begun).toEqual(["sweep"]);
});

it("is what a catalog's sweep gives to a request that waits for its commit", async () => {
  const store = new MemoryStore();
  const catalog = await openCatalog(store);
  const write = store.write.bind(store);
  store.write = async (rule) => {
    const commit = Promise.withResolvers<void>();
    begun.push("write");
    commits.push(commit);
    const result = await write(rule);
    await commit.promise;
    return result;
  };
  void catalog.end(key("a"), 1);
  void catalog.sweep({ nowMs: 1, limit: 1, quarantineMs: 1 });
  expect(begun).toEqual(["write"]);
  await commitNext();
  expect(begun).toEqual(["write", "write"]);
});
