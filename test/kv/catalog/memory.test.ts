import { expect, it } from "vitest";

import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { describeCatalog } from "../../contracts/catalog-contract.ts";

describeCatalog("memory", () => openCatalog(new MemoryStore()));

it("keeps nothing of a rule that throws", async () => {
  const store = new MemoryStore();
  await store.write((tx) => tx.put("kept", Uint8Array.of(1)));
  const failing = store.write((tx) => {
    tx.put("kept", Uint8Array.of(2));
    tx.put("new", Uint8Array.of(3));
    throw new Error("half way");
  });
  await expect(failing).rejects.toThrow("half way");
  expect([...store.snapshot()]).toEqual([["kept", Uint8Array.of(1)]]);
});
