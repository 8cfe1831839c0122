import { afterEach, describe, expect, it } from "vitest";

import type { CopyResult } from "../../../src/kv/copier.ts";
import { session } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { REPLICA_POLICY, ReplicaStand } from "./replica-stand.ts";

const SITES = ["a", "b", "c"].map((id) => ({ id, labels: {}, engines: true }));

describe.each(CATALOGS)("the replicator over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  /** All is at the first site; copies to the second one come to this. */
  async function stand(result: CopyResult): Promise<ReplicaStand> {
    const bench = await benches.open({ sites: SITES });
    await bench.create("own");
    await bench.turn("own", "a story", "");
    const copying: ReplicaStand = new ReplicaStand(bench, {
      copier: {
        copy: async (segment, to, options) =>
          to.profile.id === "b" ? result : copying.copier.copy(segment, to, options),
      },
    });
    return copying;
  }

  /** A pass after the cool-down, in which all is read often. */
  async function pass({ bench, rates, replicator, closing }: ReplicaStand): Promise<void> {
    await bench.clock.advance(REPLICA_POLICY.coolDownMs);
    for (const { id } of await bench.catalog.segments(session("own"))) rates.add(id, 20);
    await replicator.pass(closing.signal);
  }

  it.each<CopyResult>(["io", "no_space", "late"])(
    "makes a copy elsewhere next where one came to '%s'",
    async (result) => {
      const hot = await stand(result);
      await pass(hot);
      expect(await hot.locationsOf("own")).toEqual([["a"]]);
      await pass(hot);
      expect(await hot.locationsOf("own")).toEqual([["a", "c"]]);
    },
  );

  it("tries the same place again where it was the segment that was gone", async () => {
    const hot = await stand("gone");
    await pass(hot);
    await pass(hot);
    expect(hot.made).toMatchObject([{ location: "b" }, { location: "b" }]);
  });
});
