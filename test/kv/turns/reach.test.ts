/** Plans for engines that do not all see the same locations. */
import { afterEach, describe, expect, it } from "vitest";

import type { ObjectName } from "../../../src/kv/location.ts";
import type { Reach, Site } from "../../../src/kv/reach.ts";
import { freshOf, session, tokens, type TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

const ONE = { id: "one", labels: { node: "1" }, engines: true };
const TWO = { id: "two", labels: { node: "2" }, engines: true };
const SHARED = { id: "shared", labels: {}, engines: true };
const ARCHIVE = { id: "archive", labels: {}, engines: false };

describe.each(CATALOGS)("reach over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  async function open(...sites: readonly Site[]): Promise<TurnBench> {
    const bench = await benches.open({ sites });
    await bench.create("a");
    return bench;
  }

  const at = (...ids: readonly string[]): Reach => new Set(ids);

  /** A whole turn, by an engine of this reach. */
  async function turn(bench: TurnBench, text: readonly [string, string], reach: Reach) {
    const plan = await bench.plan("a", text[0], { maxNewTokens: text[1].length, reach });
    await bench.commit(plan, text);
    await bench.desk.settled();
    return plan;
  }

  it("lists and reserves where the engine reaches, and nowhere else", async () => {
    const bench = await open(ONE, TWO);
    const first = await turn(bench, ["one ", "two "], at("one"));
    expect(freshOf(first)).toMatchObject([{ tokenStart: 0, kvUri: "file:///one/a" }]);
    expect(first.locations).toEqual(at("one"));
    const other = await bench.plan("a", "one two three ", { reach: at("two") });
    expect(other).toMatchObject({ stored: [], storedTokens: 0, limit: "location_unknown" });
    expect(freshOf(other)).toMatchObject([{ tokenStart: 0, kvUri: "file:///two/a" }]);
    expect(other.locations).toEqual(at("two"));
  });

  it("has a session go on in a new file where it wrote out of reach, and come back to another one", async () => {
    const bench = await open(ONE, TWO);
    await turn(bench, ["one ", "two "], at("one"));
    await turn(bench, ["one two ", "three "], at("two"));
    const back = await turn(bench, ["one two three ", "four "], at("one"));
    expect(back.stored).toMatchObject([{ tokenStart: 0, tokenLength: 8, kvUri: "file:///one/a" }]);
    const [part] = freshOf(back);
    expect(part).toMatchObject({ tokenStart: 8, kvStart: 0 });
    expect(part?.kvUri).toMatch(/^file:\/\/\/one\/a\.e\d+$/);
    const name = "a" as ObjectName;
    const files = ["one", "two"].map(async (location) => bench.catalog.file({ location, name }));
    const isSealed = true;
    expect(await Promise.all(files)).toMatchObject([{ isSealed }, { isSealed }]);
  });

  it("keeps for each engine what it has to have in its own place", async () => {
    const bench = await open(ONE, TWO);
    for (const reach of [at("one"), at("two")]) await turn(bench, ["one ", "two "], reach);
    expect(bench.seen.filter((line) => line.startsWith("settled"))).toEqual([
      "settled durable",
      "settled durable",
    ]);
    for (const id of ["one", "two"]) {
      const plan = await bench.plan("a", "one two three ", { reach: at(id) });
      expect(plan.stored.map(({ kvUri }) => kvUri)).toEqual([`file:///${id}/a`]);
      if (plan.fresh.kind === "reserved") await bench.desk.abort(plan.fresh.turn, "client_gone");
    }
  });

  it("keeps once what all reach already who reach the second copy", async () => {
    const bench = await open(SHARED, ONE);
    await turn(bench, ["one ", "two "], at("shared"));
    await turn(bench, ["one ", "two "], at("one"));
    expect(bench.seen).toContain("settled duplicate");
    const plan = await bench.plan("a", "one two three ", { reach: at("shared", "one") });
    expect(plan.stored.map(({ kvUri }) => kvUri)).toEqual(["file:///shared/a"]);
  });

  it("does not take for equal what lies where not all reach it who reach the second", async () => {
    const bench = await open(ONE, SHARED);
    await turn(bench, ["one ", "two "], at("one"));
    await turn(bench, ["one ", "two "], at("shared"));
    const plan = await bench.plan("a", "one two three ", { reach: at("shared", "two") });
    expect(plan.stored.map(({ kvUri }) => kvUri)).toEqual(["file:///shared/a"]);
  });

  it("never has a place that no engine reaches, whoever asks", async () => {
    const bench = await open({ ...ARCHIVE, engines: true }, SHARED);
    await turn(bench, ["one ", "two "], at("archive"));
    bench.sites = [ARCHIVE, SHARED];
    bench.restart();
    const explained = await bench.desk.explain({
      session: session("a"),
      prompt: tokens("one two !"),
    });
    expect(explained).toMatchObject({ storedTokens: 0, limit: "location_unknown" });
    for (const reach of [undefined, at("archive", "shared")]) {
      const plan = await bench.plan("a", "one two !", { reach });
      expect(plan.stored).toEqual([]);
      expect(plan.locations).toEqual(at("shared"));
      if (plan.fresh.kind === "reserved") await bench.desk.abort(plan.fresh.turn, "client_gone");
    }
  });

  it("reserves nowhere for an engine that reaches nothing", async () => {
    const bench = await open(ONE);
    const plan = await bench.plan("a", "one ", { reach: at() });
    expect(plan.fresh).toEqual({ kind: "none", reason: "no_location" });
  });
});
