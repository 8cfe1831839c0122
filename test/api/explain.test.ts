/** What would be reused for a prompt, and why not more. */
import { rm } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";

import type { KvClient } from "../../client/index.ts";
import { LastTurns } from "../../src/kv/prediction/last-turns.ts";
import { errorsOf } from "../../src/kv/prediction/prediction.ts";
import { Predictor } from "../../src/kv/prediction/predictor.ts";
import { CATALOGS } from "../kv/turns/catalogs.ts";
import { PLENTY } from "../support/kv-desk.ts";
import { SMALL } from "../support/small-model.ts";
import { type ApiOptions, idsOf, promptOf, STANDARD } from "./api-bench.ts";
import { ApiBenches } from "./api-benches.ts";

describe.each(CATALOGS)("an explanation over the $name catalog", (kind) => {
  const benches = new ApiBenches(kind);
  const open = (options: ApiOptions = {}) => benches.openWithSession(options);
  afterEach(() => benches.close());

  async function explain(client: KvClient, prompt: string) {
    const { data } = await client.POST("/v1/sessions/{id}/explain", {
      params: { path: { id: "a" } },
      body: { prompt: promptOf(prompt), max_new_tokens: 0 },
    });
    return data;
  }

  it("names what a plan would list, with its limit in words", async () => {
    const { bench, client } = await open();
    await bench.turn(client, "a", ["one ", ""]);
    await bench.turn(client, "a", ["one two ", ""]);
    expect(await explain(client, "one two three")).toMatchObject({
      prompt_tokens: 13,
      stored_tokens: 8,
      segments: [
        { token_start: 0, token_length: 4 },
        { token_start: 4, token_length: 4 },
      ],
      limit: "end_of_stored",
      because: "all that is stored of this prompt is used",
      page_size: 1,
      load_threshold: 0,
      prefixes: [],
      unused: [],
      last_turn: null,
    });
  });

  it("has the last turn of the session in the request path, as predicted and as it was", async () => {
    const turn = {
      promptTokens: 100,
      storedTokens: 60,
      maxNewTokens: 20,
      cachedTokens: 50,
      outputTokens: 20,
      ttftMs: 40,
      totalMs: 80,
    };
    const prediction = { cachedTokens: 60, outputTokens: 10, times: undefined };
    const errors = errorsOf(prediction, turn);
    const lastTurns = new LastTurns(1);
    lastTurns.set({ tenant: "", id: "a" }, { turn, prediction, errors });
    const prices = {
      currency: "USD",
      uncachedInput: 1_000_000,
      cachedInput: 0,
      output: 0,
      writes: [],
      storageHour: 0,
      inputIncludesCached: true,
    };
    const small = { pool: "p", predictor: new Predictor(), pageSize: 1, prices };
    const ports = { lastTurns, predictions: { ofModel: () => small } };
    const { client } = await open({ ports });
    expect((await explain(client, "one"))?.last_turn).toEqual({
      prompt_tokens: 100,
      stored_tokens: 60,
      predicted: {
        cached_tokens: 60,
        output_tokens: 10,
        ttft_ms: null,
        total_ms: null,
        price: expect.objectContaining({ total: 40 }),
      },
      actual: {
        cached_tokens: 50,
        output_tokens: 20,
        ttft_ms: 40,
        total_ms: 80,
        price: expect.objectContaining({ total: 50 }),
      },
      errors: { cached_tokens: 0.1, output_tokens: 0.5, ttft_ms: null, total_ms: null },
    });
  });

  it("names what the session lists beyond, where the prompt leaves it", async () => {
    const { bench, client } = await open();
    await bench.turn(client, "a", ["one ", ""]);
    await bench.turn(client, "a", ["one two ", ""]);
    expect(await explain(client, "one 2 three")).toMatchObject({
      stored_tokens: 4,
      limit: "diverged",
      unused: [{ token_start: 4, token_length: 4 }],
    });
  });

  it("tells what the engine's threshold costs", async () => {
    const { bench, client } = await open({ profile: { ...SMALL, loadThreshold: 4 } });
    await bench.turn(client, "a", ["one ", ""]);
    expect(await explain(client, "one two")).toMatchObject({
      stored_tokens: 0,
      limit: "below_threshold",
      load_threshold: 4,
      unused: [{ token_length: 4 }],
    });
  });

  it("names the prefixes that were consulted", async () => {
    const { bench, client } = await open();
    const red = bench.client({ tenant: "red" });
    await red.POST("/v1/sessions", { body: { id: "r", model: "small" } });
    await bench.turn(red, "r", ["one ", ""]);
    await red.POST("/v1/prefixes", {
      body: { name: "p", session: "r", everyone: true, tenants: [] },
    });
    expect(await explain(client, "one two")).toMatchObject({
      stored_tokens: 4,
      segments: [{ usage: null }],
      prefixes: [{ name: "p", tenant: "red" }],
    });
  });

  it("answers a short prompt in the URL just so", async () => {
    const { bench, client } = await open();
    await bench.turn(client, "a", ["one ", ""]);
    const short = await client.GET("/v1/sessions/{id}/explain", {
      params: { path: { id: "a" }, query: { ids: idsOf("one two").join(","), kind: "engine" } },
    });
    expect(short.data).toEqual(await explain(client, "one two"));
    const other = await client.GET("/v1/sessions/{id}/explain", {
      params: { path: { id: "a" }, query: { ids: idsOf("one two").join(","), kind: "tokenizer" } },
    });
    expect(other.data).toMatchObject({ stored_tokens: 0 });
  });

  it("changes nothing: not the session, not what is leased, and not what is damaged", async () => {
    const { bench, client } = await open();
    const { listed } = await bench.turn(client, "a", ["one ", ""]);
    const id = listed[0]?.segment ?? "";
    const seen = async () => {
      const session = await client.GET("/v1/sessions/{id}", { params: { path: { id: "a" } } });
      const segment = await client.GET("/v1/segments/{id}", { params: { path: { id } } });
      return [session.data, segment.data, bench.turns.seen.length];
    };
    const before = await seen();
    await bench.turns.clock.advance(1_000);
    await explain(client, "one two");
    await rm(bench.turns.pathOf("file:///a"));
    expect(await explain(client, "one two")).toMatchObject({
      stored_tokens: 0,
      limit: "file_missing",
      because: "the file of the next segment is gone",
    });
    expect(await seen()).toEqual(before);
  });

  it("is given for no session that is another tenant's or of a model that is not there any more", async () => {
    const { bench, client } = await open();
    const ask = (as: KvClient, id: string) =>
      as.POST("/v1/sessions/{id}/explain", {
        params: { path: { id } },
        body: { prompt: promptOf("one"), max_new_tokens: 0 },
      });
    expect((await ask(bench.client({ tenant: "red" }), "a")).response.status).toBe(404);
    const nowMs = bench.turns.clock.now();
    const gone = { session: { tenant: "", id: "m" }, model: "gone", retention: STANDARD };
    await bench.turns.catalog.create({ ...gone, quota: PLENTY, nowMs });
    expect(await ask(client, "m")).toMatchObject({
      response: { status: 400 },
      error: { errors: [{ field: "model", value: "gone" }] },
    });
  });
});
