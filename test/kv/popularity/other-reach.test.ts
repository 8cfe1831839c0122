/** Copies that are not read by the same engines: none of them bears what another is read. */
import { rm } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";

import type { Site } from "../../../src/kv/reach.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { ReplicaStand } from "./replica-stand.ts";

const site = (id: string, labels: Site["labels"] = {}): Site => ({ id, labels, engines: true });

describe.each(CATALOGS)("the replicator over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  /** What was stored at the first site has a copy at the second, and nobody reads any of it for a while. */
  async function cooled(sites: readonly Site[]): Promise<ReplicaStand> {
    const bench = await benches.open({ sites });
    await bench.create("own");
    await bench.turn("own", "a story", "");
    const stand = new ReplicaStand(bench);
    await stand.copier.copyAll("own", sites[1]?.id ?? "");
    await stand.seconds(60, () => {});
    return stand;
  }

  it("leaves a copy to engines that reach no other, however seldom it is read", async () => {
    const stand = await cooled([site("a", { host: "a" }), site("b", { host: "b" })]);
    expect(await stand.locationsOf("own")).toEqual([["a", "b"]]);
    expect(stand.dropped).toEqual([]);
  });

  it("leaves the one that more engines reach", async () => {
    const stand = await cooled([site("a", { host: "a" }), site("shared")]);
    expect(await stand.locationsOf("own")).toEqual([["a", "shared"]]);
  });

  it("drops one whose engines reach another that is as fast", async () => {
    const stand = await cooled([site("shared"), site("b", { host: "b" })]);
    expect(await stand.locationsOf("own")).toEqual([["shared"]]);
  });

  it("drops what nobody has read for long, whoever reaches it", async () => {
    const stand = await cooled([site("a", { host: "a" }), site("b", { host: "b" })]);
    await stand.bench.clock.advance(3_600_000);
    await stand.pass();
    expect(stand.dropped).toMatchObject([{ location: "b", cause: "idle", result: "dropped" }]);
  });

  it("leaves the last whole one that engines read, though there is one that none of them does", async () => {
    const stand = await cooled([site("a"), { ...site("archive"), engines: false }, site("b")]);
    await stand.copier.copyAll("own", "b");
    await rm(`${stand.bench.root}/a/own`);
    await stand.bench.clock.advance(3_600_000);
    await stand.pass();
    expect(stand.dropped).toMatchObject([{ location: "b", result: "unsure" }]);
  });
});
