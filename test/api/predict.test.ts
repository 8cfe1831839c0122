/** How long a turn would take and what it would cost, asked over HTTP. */
import { afterEach, describe, expect, it } from "vitest";

import type { KvClient } from "../../client/index.ts";
import type { PoolPrediction } from "../../src/kv/prediction/pool-prediction.ts";
import { Predictor } from "../../src/kv/prediction/predictor.ts";
import { MadeUpEngine, timesOf } from "../kv/prediction/made-up-engine.ts";
import { CATALOGS } from "../kv/turns/catalogs.ts";
import { SMALL } from "../support/small-model.ts";
import { type ApiOptions, promptOf } from "./api-bench.ts";
import { ApiBenches } from "./api-benches.ts";

const PRICES: PoolPrediction["prices"] = {
  currency: "USD",
  uncachedInput: 1_000_000,
  cachedInput: 100_000,
  output: 2_000_000,
  writes: [{ ttlMs: 3_600_000, price: 500_000 }],
  storageHour: 1_000,
  inputIncludesCached: false,
};
const UNKNOWN = { value: null, p50_error: null, p90_error: null };

describe.each(CATALOGS)("a prediction over the $name catalog", (kind) => {
  const benches = new ApiBenches(kind);
  afterEach(() => benches.close());

  async function open(found: Partial<PoolPrediction> = {}, options: ApiOptions = {}) {
    const pageSize = options.profile?.pageSize ?? SMALL.pageSize;
    const small = {
      pool: "p",
      predictor: new Predictor(),
      pageSize,
      prices: undefined,
      ...found,
    };
    const ofModel = (model: string) => (model === "small" ? small : undefined);
    const opened = await benches.openWithSession({
      ...options,
      ports: { predictions: { ofModel } },
    });
    await opened.bench.turn(opened.client, "a", ["one ", ""]);
    return opened;
  }
  const ask = (client: KvClient, of: { session?: string; model?: string }, maxNewTokens?: number) =>
    client.POST("/v1/predict", {
      body: {
        ...of,
        prompt: promptOf("one two"),
        ...(maxNewTokens === undefined ? {} : { max_new_tokens: maxNewTokens }),
      },
    });

  it("tells what would be reused, and no time before turns were seen", async () => {
    const { client } = await open();
    expect((await ask(client, { session: "a" })).data).toEqual({
      pool: "p",
      prompt_tokens: 7,
      stored_tokens: 4,
      limit: "end_of_stored",
      cached_tokens: { value: 4, p50_error: null, p90_error: null },
      output_tokens: UNKNOWN,
      load_ms: UNKNOWN,
      prefill_ms: UNKNOWN,
      ttft_ms: UNKNOWN,
      total_ms: UNKNOWN,
      price: null,
    });
  });

  it("tells the times that turns of the pool had, with their errors", async () => {
    const engine = new MadeUpEngine(1);
    engine.run(100);
    const { client } = await open({ predictor: engine.predictor });
    const { data } = await ask(client, { session: "a" }, 20);
    const times = timesOf({ promptTokens: 7, cachedTokens: 4, outputTokens: 20 });
    expect(data?.output_tokens).toEqual({ value: 20, p50_error: 0, p90_error: 0 });
    expect(data?.ttft_ms.value).toBeCloseTo(times.ttftMs, 3);
    expect(data?.total_ms.value).toBeCloseTo(times.totalMs, 3);
    expect(data?.total_ms.p90_error).toBeLessThan(0.01);
  });

  it("is given for the first turn of a session that is still to be made", async () => {
    const { client } = await open();
    const found = await ask(client, { model: "small" });
    expect(found.data).toMatchObject({ prompt_tokens: 7, stored_tokens: 4 });
    const { data } = await client.GET("/v1/sessions");
    expect(data?.sessions.map(({ id }) => id)).toEqual(["a"]);
  });

  it("has the price, as if all were stored", async () => {
    const { client } = await open({ prices: PRICES });
    const { data } = await ask(client, { session: "a" }, 5);
    expect(data?.price).toEqual({
      currency: "USD",
      uncached_input: expect.closeTo(3, 9),
      cached_input: expect.closeTo(0.4, 9),
      output: expect.closeTo(10, 9),
      write: expect.closeTo(4, 9), // 7 + 5 tokens, of which 4 are stored
      storage: expect.closeTo(0.008, 9),
      total: expect.closeTo(17.408, 9),
      input_tokens: 3,
    });
    expect((await ask(client, { session: "a" })).data?.price).toBeNull();
  });

  it("stores whole pages only", async () => {
    const pages = { profile: { ...SMALL, pageSize: 4 } };
    const { client } = await open({ prices: PRICES }, pages);
    const { data } = await ask(client, { session: "a" }, 4); // 11 tokens: 8 in whole pages, 4 stored
    expect(data?.price?.write).toBeCloseTo(2, 9);
  });

  it("is in a plan, of what that lists and may be answered", async () => {
    const engine = new MadeUpEngine(1);
    engine.run(100);
    const { bench, client } = await open({ predictor: engine.predictor, prices: PRICES });
    const asked = await ask(client, { session: "a" }, 20);
    const { limit, stored_tokens, ...prediction } = asked.data ?? {};
    const plan = await bench.plan(client, "a", ["one two", 20]);
    expect(plan).toMatchObject({ limit, stored_tokens, prediction });
    expect(prediction).toMatchObject({ price: expect.any(Object), output_tokens: { value: 20 } });
  });

  it("is in a plan that reserves nothing for the answer, and then of one as long as most", async () => {
    const engine = new MadeUpEngine(1);
    engine.run(100);
    const { bench, client } = await open({ predictor: engine.predictor });
    const { data } = await ask(client, { session: "a" });
    const plan = await bench.plan(client, "a", ["one two", 0]);
    expect(plan.prediction?.output_tokens.value).toBeGreaterThan(0);
    expect(plan.prediction?.output_tokens).toEqual(data?.output_tokens);
  });

  it("is in no plan of a model that is in no pool", async () => {
    const { bench, client } = await open({}, {});
    const elsewhere = await benches.openWithSession({});
    expect((await bench.plan(client, "a", ["one", 0])).prediction).not.toBeNull();
    const plan = await elsewhere.bench.plan(elsewhere.client, "a", ["one", 0]);
    expect(plan.prediction).toBeNull();
  });

  it("is of either a session or a model, and of ones that there are", async () => {
    const { bench, client } = await open();
    const wrong = async (of: Parameters<typeof ask>[1], as = client) => {
      const { response, error } = await ask(as, of);
      return [response.status, error?.errors?.map(({ field }) => field)];
    };
    expect((await wrong({}))[0]).toBe(400);
    expect((await wrong({ session: "a", model: "small" }))[0]).toBe(400);
    expect(await wrong({ session: "b" })).toEqual([404, undefined]);
    expect(await wrong({ session: "a" }, bench.client({ tenant: "red" }))).toEqual([
      404,
      undefined,
    ]);
    expect(await wrong({ model: "gone" })).toEqual([400, ["model"]]);
  });
});
