/** How much of a prompt engines of different reaches would be given, and how often that is looked up. */
import { afterEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import type { Reach } from "../../../src/kv/reach.ts";
import type { TurnPolicy } from "../../../src/kv/turns/turn-desk.ts";
import { session, tokens, type TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

const NODES = Array.from({ length: 10 }, (_, at) => `n${at}`);
const SITES = ["shared", ...NODES].map((id) => ({
  id,
  labels: id === "shared" ? {} : { node: id },
  engines: true,
}));
const at = (...ids: readonly string[]): Reach => new Set(ids);
const onNode = NODES.map((node) => at("shared", node));

describe.each(CATALOGS)("a survey over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  async function open(policy: Partial<TurnPolicy> = {}) {
    const looked: ReadonlySet<string>[] = [];
    const bench = await benches.open({ sites: SITES, policy }, (catalog: Catalog) => ({
      ...catalog,
      match: (request) => {
        looked.push(request.locations);
        return catalog.match(request);
      },
    }));
    await bench.create("a");
    return { bench, looked };
  }

  /** By an engine that reaches this location. */
  async function turn(bench: TurnBench, text: readonly [string, string], id: string) {
    const reach = at(id);
    const plan = await bench.plan("a", text[0], { maxNewTokens: text[1].length, reach });
    await bench.commit(plan, text);
    await bench.desk.settled();
  }

  async function survey(bench: TurnBench, reaches: readonly Reach[], id = "a") {
    const prompt = tokens("one two three four");
    const found = await bench.desk.survey({
      session: session(id),
      prompt,
      model: "small",
      reaches,
    });
    if (typeof found === "string") throw new Error(found);
    return {
      promptTokens: found.promptTokens,
      stored: reaches.map((reach) => found.storedTokens.get(reach)),
    };
  }

  it("looks once where nothing is stored, also for a session that is not there", async () => {
    const { bench, looked } = await open();
    expect(await survey(bench, onNode, "nobody")).toEqual({
      promptTokens: 18,
      stored: NODES.map(() => 0),
    });
    expect(looked).toEqual([at("shared", ...NODES)]);
  });

  it("looks once where everybody reaches what is stored", async () => {
    const { bench, looked } = await open();
    await turn(bench, ["one ", "two "], "shared");
    looked.length = 0;
    expect((await survey(bench, onNode)).stored).toEqual(NODES.map(() => 8));
    expect(looked).toHaveLength(1);
  });

  it("tells who reaches all, some and nothing of it", async () => {
    const { bench, looked } = await open();
    await turn(bench, ["one ", "two "], "n1");
    await bench.create("b");
    const reach = at("n0", "n1");
    const text = ["one two t", "hree "] as const;
    const plan = await bench.plan("b", text[0], { maxNewTokens: 5, reach });
    expect([plan.storedTokens, plan.locations]).toEqual([8, reach]);
    await bench.commit(plan, text);
    await bench.desk.settled();
    looked.length = 0;
    expect((await survey(bench, [at("n0"), at("n1"), reach, at("n2")])).stored).toEqual([
      0, 8, 14, 0,
    ]);
    expect(looked).toEqual([new Set(["n0", "n1", "n2"]), at("n0"), at("n1"), at("n2")]);
  });

  it("looks eight times at most, first at those that reach most of what is stored, and knows nothing of the others", async () => {
    const { bench, looked } = await open();
    await turn(bench, ["one ", "two "], "n9");
    looked.length = 0;
    const { stored } = await survey(bench, onNode);
    expect(stored).toEqual([0, 0, 0, 0, 0, 0, 0, undefined, undefined, 8]);
    expect(looked).toHaveLength(8);
  });

  it("reads nothing where plans read all that they list", async () => {
    const { bench } = await open({ recheck: "always" });
    await turn(bench, ["one ", "two "], "n1");
    const before = bench.verifier.rechecks;
    expect((await survey(bench, onNode)).stored?.[1]).toBe(8);
    expect(bench.verifier.rechecks).toBe(before);
    await bench.plan("a", "one two three", { reach: at("n1") });
    expect(bench.verifier.rechecks).toBe(before + 1);
  });

  it("is of no tenant and no model that there is not", async () => {
    const { bench } = await open();
    const asked = { session: session("a"), prompt: tokens("one "), reaches: onNode };
    expect(await bench.desk.survey({ ...asked, model: "unheard" })).toBe("unknown_model");
  });
});
