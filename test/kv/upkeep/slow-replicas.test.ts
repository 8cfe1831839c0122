/** Copies that take long keep nothing else of the keeper waiting. */
import { afterEach, describe, expect, it } from "vitest";

import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { KEEPER_POLICY, KeeperStand } from "./keeper-stand.ts";

describe.each(CATALOGS)("a keeper over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  it("sweeps and evicts while replicas are being made, begins no more of them, and waits for them at its end", async () => {
    const bench = await benches.open();
    const copying = Promise.withResolvers<void>();
    let passes = 0;
    const replicator = { pass: () => (passes++, copying.promise), pressed: () => {} };
    const stand = new KeeperStand(bench, { replicator });
    while (stand.passes < 5) await bench.clock.advance(KEEPER_POLICY.intervalMs);
    expect(stand.sweeps.length).toBeGreaterThanOrEqual(5);
    stand.keeper.press({ location: "disk", priority: 0, bytes: 2 ** 50 });
    while (stand.passes < 7) await bench.clock.advance(KEEPER_POLICY.intervalMs);
    expect(stand.evictions).toHaveLength(1);
    expect(passes).toBe(1);
    let isClosed = false;
    const closing = stand.keeper.close().then(() => (isClosed = true));
    await bench.clock.advance(KEEPER_POLICY.intervalMs);
    expect(isClosed).toBe(false);
    copying.resolve();
    await closing;
  });
});
