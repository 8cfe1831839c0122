import fc from "fast-check";
import { expect, it } from "vitest";
import { decode, encode, text, uint } from "../../../src/kv/catalog/codec.ts";
import { getRecord, layered, putRecord } from "../../../src/kv/catalog/layer.ts";
import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import type { CatalogTransaction } from "../../../src/kv/catalog/transaction.ts";

const KEYS = ["a", "b", "c", "d", "e", "f"];
const key = fc.constantFrom(...KEYS);
const step = fc.oneof(
  fc.record({ kind: fc.constant("put"), key, value: fc.nat(9) }),
  fc.record({ kind: fc.constant("putRecord"), key, value: fc.nat(9) }),
  fc.record({ kind: fc.constant("remove"), key }),
  fc.record({ kind: fc.constant("get"), key }),
  fc.record({ kind: fc.constant("getRecord"), key }),
  fc.record({ kind: fc.constant("range"), key, to: key, limit: fc.nat(4) }),
);
type Step = (typeof step extends fc.Arbitrary<infer S> ? S : never) & {
  readonly value?: number;
  readonly to?: string;
  readonly limit?: number;
};

/** What the step sees. */
function run(tx: CatalogTransaction, { kind, key: at, value = 0, to = "", limit = 0 }: Step) {
  switch (kind) {
    case "put":
      return tx.put(at, encode(uint, value));
    case "putRecord":
      return putRecord(tx, at, { record: value, codec: uint });
    case "remove":
      return tx.remove(at);
    case "get":
      return tx.get(at)?.[0];
    case "getRecord":
      return getRecord(tx, at, uint);
    default: {
      const found = tx.range({ from: at, to, limit });
      return found.map((entry) => [entry.key, decode(uint, entry.value)]);
    }
  }
}

it("a rule sees and leaves the same with a layer as without", async () => {
  const steps = fc.array(step, { minLength: 5, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(steps, async (rule) => {
      const [plain, laid] = [new MemoryStore(), new MemoryStore()];
      for (const store of [plain, laid]) {
        await store.write((tx) => KEYS.forEach((at) => tx.put(at, encode(uint, 0))));
      }
      const expected = await plain.write((tx) => rule.map((each) => run(tx, each)));
      const seen = await laid.write((tx) =>
        layered(tx, (layer) => rule.map((each) => run(layer, each))),
      );
      expect(seen).toEqual(expected);
      expect(laid.snapshot()).toEqual(plain.snapshot());
    }),
    { numRuns: 300 },
  );
});

it("writes a record once, however often the rule changed it", async () => {
  const writes: string[] = [];
  await new MemoryStore().write((tx) => {
    const counted = {
      ...tx,
      put: (at: string, value: Uint8Array) => void writes.push(at + value[0]),
    };
    layered(counted, (layer) => {
      for (const record of [1, 2, 3]) putRecord(layer, "k", { record, codec: uint });
    });
  });
  expect(writes).toEqual(["k3"]);
});

it("writes nothing of a rule that throws", async () => {
  const store = new MemoryStore();
  await store.write((tx) => {
    expect(() =>
      layered(tx, (layer) => {
        putRecord(layer, "k", { record: "v", codec: text });
        throw new Error("thrown");
      }),
    ).toThrow("thrown");
  });
  expect(store.snapshot().size).toBe(0);
});
