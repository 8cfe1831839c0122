/** Turns with the verifier that a service has, and an engine that answers before it writes. */
import { afterEach, describe, expect, it } from "vitest";

import { settle } from "../../support/fake-clock.ts";
import { patientVerifier } from "../../support/patient-verifier.ts";
import { freshOf, spans, tokens, type TurnBench, turnOf } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

describe.each(CATALOGS)("verified turns over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  async function openVerified(): Promise<TurnBench> {
    const bench = await benches.open({ verifier: patientVerifier });
    await bench.create("a");
    return bench;
  }

  /** The engine has answered, and nothing is written yet. */
  async function answered(bench: TurnBench, engineNow: string) {
    const plan = await bench.plan("a", "one ", { engine: "engine-1" });
    await bench.desk.commit({
      turn: turnOf(plan),
      prompt: tokens("one "),
      output: tokens("two ").ids,
      segments: freshOf(plan),
      engine: async () => engineNow,
    });
    return plan;
  }

  /** Lets time go on until all is settled; it stands while files are read, which takes as long as it takes. */
  async function settled(bench: TurnBench): Promise<void> {
    let isOver = false;
    void bench.desk.settled().then(() => (isOver = true));
    while (!isOver) {
      if (bench.clock.pendingTimers > 0) await bench.clock.advance(10);
      await settle();
    }
  }

  it("lists what an engine writes after its answer, once it has come to rest [a]", async () => {
    const bench = await openVerified();
    const plan = await answered(bench, "engine-1");
    await bench.clock.advance(150);
    expect(await bench.catalog.segments({ tenant: "", id: "a" })).toEqual([]);
    for (const segment of freshOf(plan)) await bench.write(segment);
    await settled(bench);
    expect(spans((await bench.plan("a", "one two !")).stored)).toEqual([[0, 8]]);
  });

  it.each([
    ["of which half was never written", "engine-1", 4],
    ["of an engine that restarted meanwhile", "engine-2", 8],
  ])("lists no segment %s [a]", async (_, engineNow, tokenLength) => {
    const bench = await openVerified();
    const plan = await answered(bench, engineNow);
    for (const segment of freshOf(plan)) await bench.write({ ...segment, tokenLength });
    await settled(bench);
    expect(bench.seen).toContain("settled dropped");
    expect((await bench.plan("a", "one two !")).stored).toEqual([]);
  });
});
