/** A catalog that cannot be written: turns go on without reuse, and with it as soon as it can. */
import { afterEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { CatalogFault } from "../../../src/kv/catalog-fault.ts";
import { type BenchOptions, spans, type TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

describe.each(CATALOGS)("the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  /** A bench whose rule of that name fails with the reason while there is one. */
  async function failing(
    rule: "reserve" | "lease",
    policy: BenchOptions["policy"] = {},
  ): Promise<{ bench: TurnBench; why: Error[] }> {
    const why: Error[] = [];
    const around = (catalog: Catalog): Catalog => ({
      ...catalog,
      [rule]: async (request: never) => {
        const [reason] = why;
        if (reason !== undefined) throw reason;
        return catalog[rule](request);
      },
    });
    const bench = await benches.open({ policy }, around);
    await bench.create("a");
    await bench.turn("a", "one ", "two ").catch(() => undefined);
    return { bench, why };
  }

  /** The second by a policy that stores nothing, so that a plan only leases. */
  it.each([
    ["reserve", 0, [[0, 8]]],
    ["lease", 1_000, []],
  ] as const)(
    "plans nothing while it fails to %s, and goes on after",
    async (rule, minTokens, spansAfter) => {
      const { bench, why } = await failing(rule, { minTokens });
      why.push(new CatalogFault("no space"));
      const reason = "catalog_failed";
      expect(await bench.plan("a", "one two three")).toMatchObject({
        stored: [],
        limit: reason,
        fresh: { kind: "none", reason },
      });
      expect(bench.seen.at(-1)).toBe(`planned ${reason}`);
      why.pop();
      const after = await bench.plan("a", "one two three");
      expect(after.limit).not.toBe(reason);
      expect(spans(after.stored)).toEqual(spansAfter);
    },
  );

  it("hides no bug of its own", async () => {
    const { bench, why } = await failing("reserve");
    why.push(new Error("a bug"));
    await expect(bench.plan("a", "one two three")).rejects.toThrow("a bug");
  });
});
