/** Whatever lies wherever, in whatever tier, with whatever room: what a plan names is reached, and goes from token 0 without a gap. */
import fc from "fast-check";
import { afterEach, expect, it } from "vitest";

import type { Site } from "../../../src/kv/reach.ts";
import { SMALL_TOKEN_BYTES } from "../../support/small-model.ts";
import { type TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

const benches = new Benches(CATALOGS[0]);
afterEach(async () => expect(await benches.close()).toEqual([]));

const IDS = ["one", "two", "three"] as const;
const TEXT = "abcdefghijklmnopqrstuvwxyz";

const place = fc.record({
  tier: fc.constantFrom("memory", "disk", "remote"),
  engines: fc.boolean(),
  roomTokens: fc.constantFrom(4, 12, 1_000),
});

const scenario = fc.record({
  places: fc.tuple(place, place, place),
  /** Turns, one after the other: where each is stored, and how far it goes. */
  turns: fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 6 })), {
    minLength: 1,
    maxLength: 4,
  }),
  /** Undefined: all that engines reach. */
  reach: fc.option(fc.subarray([...IDS]), { nil: undefined }),
  isHeld: fc.boolean(),
  plans: fc.integer({ min: 1, max: 3 }),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer S> ? S : never;

async function store(bench: TurnBench, { places, turns }: Scenario): Promise<number> {
  let end = 1;
  for (const [at, tokens] of turns) {
    const id = IDS[at] ?? "one";
    bench.sites = [{ id, labels: {}, engines: true }];
    bench.restart();
    const text = [TEXT.slice(0, end), TEXT.slice(end, end + tokens)] as const;
    const plan = await bench.plan("a", text[0], { maxNewTokens: tokens });
    if (plan.fresh.kind !== "reserved") continue;
    await bench.commit(plan, text);
    await bench.desk.settled();
    end += tokens;
  }
  bench.sites = IDS.map((id, at): Site => ({
    id,
    labels: {},
    engines: places[at]?.engines ?? true,
  }));
  bench.restart();
  return end;
}

it("holds for any copies, tiers, rooms and reaches, held or not", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async (given) => {
      const sites = IDS.map((id, at) => {
        const { tier = "disk", roomTokens = 1_000 } = given.places[at] ?? {};
        const capacityBytes = roomTokens * SMALL_TOKEN_BYTES;
        return { id, labels: {}, engines: true, tier, capacityBytes };
      });
      const bench = await benches.open({ sites });
      await bench.create("a");
      const end = await store(bench, given);
      const reach = given.reach === undefined ? undefined : new Set<string>(given.reach);
      const reached = new Set(
        bench.sites.flatMap(({ id, engines }) => (engines && (reach?.has(id) ?? true) ? id : [])),
      );
      for (let plans = 0; plans < given.plans; plans++) {
        const untilMs = bench.clock.now() + 1_000;
        const hold = given.isHeld ? { untilMs } : undefined;
        const plan = await bench.plan("a", TEXT.slice(0, end + 1), { reach, hold });
        for (const id of plan.locations) expect(reached).toContain(id);
        let at = 0;
        for (const { tokenStart, tokenLength, kvUri } of plan.stored) {
          expect(tokenStart).toBe(at);
          at += tokenLength;
          expect(reached).toContain(kvUri.split("/")[3]);
        }
        expect(plan.storedTokens).toBe(at);
        if (plan.fresh.kind !== "reserved") continue;
        expect(plan.fresh.segments[0]?.tokenStart).toBe(at);
        expect(reached).toContain(plan.fresh.segments[0]?.kvUri.split("/")[3]);
        await bench.desk.abort(plan.fresh.turn, "client_gone");
      }
    }),
    { numRuns: 40 },
  );
}, 120_000);
