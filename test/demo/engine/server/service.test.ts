import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startComputingEngine, tinyOracle } from "../../../support/computing-engine.ts";
import type { ComputingEngine } from "../../../support/computing-engine.ts";
import { post, postForEvents, serverState, someIds } from "../../../support/engine-client.ts";
import { until } from "../../../support/until.ts";

let engine: ComputingEngine;
beforeEach(async () => {
  engine = await startComputingEngine({
    name: "a",
    limits: { pageSize: 64, requests: 1, cacheTokens: 0 },
    bodyLimitBytes: 100_000,
  });
});
afterEach(async () => engine.close());

const long = { input_ids: someIds(3000), sampling_params: { max_new_tokens: 1 } };
const short = { input_ids: someIds(10), sampling_params: { max_new_tokens: 2 } };

/** Sends the long prompt, and leaves when something has been done meanwhile. */
async function sendAndLeave(during: () => Promise<void>): Promise<void> {
  const gone = new AbortController();
  const body = JSON.stringify(long);
  const sent = fetch(`${engine.url}/generate`, { method: "POST", body, signal: gone.signal });
  const failed = sent.then(
    () => false,
    () => true,
  );
  await until(async () => (await serverState(engine)).active_requests === 1);
  await during();
  gone.abort();
  expect(await failed).toBe(true);
}

describe("a computing engine's HTTP", () => {
  it("answers a health check while it computes", async () => {
    let health = 0;
    await sendAndLeave(async () => {
      health = (await fetch(`${engine.url}/health`)).status;
    });
    expect(health).toBe(200);
  });

  it("computes no more for a client that is gone", async () => {
    await sendAndLeave(async () => {});
    await until(async () => (await serverState(engine)).active_requests === 0);
    expect((await serverState(engine)).requests).toBe(0);
  });

  it("refuses more requests than it has room for, and then takes others", async () => {
    await sendAndLeave(async () => {
      const { status, body } = await post(engine, "/generate", short);
      expect([status, body.error.message]).toEqual([503, "The request queue is full."]);
    });
    await until(async () => (await serverState(engine)).active_requests === 0);
    expect((await post(engine, "/generate", short)).status).toBe(200);
  });

  it("says by SGLang's names what it is", async () => {
    const response = await fetch(`${engine.url}/get_server_info`);
    expect(response.headers.get("x-engine")).toBe("a");
    expect(await response.json()).toMatchObject({
      model_path: "demo-tiny",
      served_model_name: "demo-tiny",
      tp_size: 1,
      page_size: 64,
      kv_cache_dtype: "bf16",
      weight_version: "default",
      max_req_input_len: 32_767,
    });
  });

  it.each([
    [{ limits: { cacheTokens: 64 } }, [false, true]],
    [{ limits: { cacheTokens: 64 }, hasHiCache: false }, [false, false]],
    [{ limits: { cacheTokens: 0 } }, [true, false]],
  ])("says which caches it has: %o", async (options, [isStateless, hasHiCache]) => {
    await using other = await startComputingEngine(options);
    expect(await (await fetch(`${other.url}/get_server_info`)).json()).toMatchObject({
      disable_radix_cache: isStateless,
      enable_hierarchical_cache: hasHiCache,
    });
  });

  it("answers prompts of as many tokens as it says that it takes, and no longer ones", async () => {
    const small = await startComputingEngine({ limits: { contextTokens: 40 } });
    const response = await fetch(`${small.url}/get_server_info`);
    const { max_req_input_len: longest } = (await response.json()) as { max_req_input_len: number };
    const statusOf = async (tokens: number) => {
      const asked = { input_ids: someIds(tokens), sampling_params: { max_new_tokens: 1 } };
      return (await post(small, "/generate", asked)).status;
    };
    const statuses = [await statusOf(longest), await statusOf(longest + 1)];
    await small.close();
    expect(statuses).toEqual([200, 400]);
  });

  it("tokenises", async () => {
    const ids = tinyOracle.tokenizer.encodeText("The boats lie still.");
    const { body } = await post(engine, "/tokenize", { prompt: "The boats lie still." });
    expect(body).toEqual({ tokens: ids, count: ids.length, max_model_len: 32_768 });
    const list = ["The boats", "lie still."];
    const lists = list.map((text) => tinyOracle.tokenizer.encodeText(text));
    expect((await post(engine, "/tokenize", { prompt: list })).body).toMatchObject({
      tokens: lists,
      count: lists.map(({ length }) => length),
    });
    const messages = [{ role: "user", content: "The boats?" }];
    expect((await post(engine, "/tokenize", { messages })).body.tokens).toEqual(
      tinyOracle.tokenizer.encodeChat({ messages }),
    );
    const bare = { prompt: "The boats lie still.", add_special_tokens: false };
    expect((await post(engine, "/v1/tokenize", bare)).body.tokens).toEqual(ids.slice(1));
  });

  it.each([
    ["/generate", "{", 400, "the body is not JSON"],
    ["/generate", "[]", 400, "the body must be a JSON object"],
    ["/tokenize", "{}", 400, "Exactly one of 'prompt' or 'messages'"],
    ["/tokenize", `{"prompt":[1]}`, 400, "prompt must be a string or a list of strings"],
    ["/generate", `{"text":"${"x".repeat(100_000)}"}`, 413, "the body is above 100000 bytes"],
    ["/toString", "{}", 404, "no such path: POST /toString"],
  ])("refuses what it cannot serve: %s %.20s", async (...[path, body, status, message]) => {
    const response = await fetch(engine.url + path, { method: "POST", body });
    const { error } = (await response.json()) as { error: { message: string } };
    expect([response.status, error.message.slice(0, message.length)]).toEqual([status, message]);
  });

  it("fails where it is told to, and only there", async () => {
    const health = async () => (await fetch(`${engine.url}/health`)).status;
    await post(engine, "/behave", { fault: "error" });
    expect([(await post(engine, "/generate", short)).status, await health()]).toEqual([500, 200]);
    await post(engine, "/behave", { fault: "unhealthy" });
    expect([(await post(engine, "/generate", short)).status, await health()]).toEqual([200, 503]);
    await post(engine, "/behave", {});
    expect(await health()).toBe(200);
  });

  it.each([{ fault: "x" }, { stall_ms: -1 }, { die: { write: 0 } }, { die: { eighths: 9 } }])(
    "does not take %j for a behaviour",
    async (behaviour) => {
      expect((await post(engine, "/behave", behaviour)).status).toBe(400);
    },
  );

  it("takes longer for a prompt where it is told to", async () => {
    engine.behave({ prefillUsPerToken: 10_000 });
    const { body } = await post(engine, "/generate", short);
    expect(body.meta_info.e2e_latency).toBeGreaterThan(0.089);
  });
});

describe("a session of the engine's own", () => {
  const generate = async (body: object) => post(engine, "/generate", { ...short, ...body });

  it("goes on from an earlier request, from a part of it, or from its prompt alone", async () => {
    const { body: id } = await post(engine, "/open_session", { capacity_of_str_len: 1000 });
    const first = await generate({ rid: "one", session_params: { id } });
    const then = async (how: object) => {
      const { body } = await generate({
        input_ids: [5, 6],
        session_params: { id, rid: "one", ...how },
      });
      return body.meta_info;
    };
    const alone = async (ids: readonly number[]) =>
      (await generate({ input_ids: ids })).body.meta_info.logits_digest;
    const both = [...short.input_ids, ...first.body.output_ids];
    expect((await then({})).logits_digest).toBe(await alone([...both, 5, 6]));
    expect((await then({ offset: 4 })).logits_digest).toBe(
      await alone([...both.slice(0, 4), 5, 6]),
    );
    const prompt = [...short.input_ids, 5, 6];
    expect((await then({ drop_previous_output: true })).logits_digest).toBe(await alone(prompt));
  });

  it("must be open, and its request there", async () => {
    for (const params of [{ id: "nobody" }, { id: "nobody", rid: "one" }]) {
      const { status, body } = await generate({ session_params: params });
      expect([status, body.error.message]).toEqual([400, "Invalid request session id nobody"]);
    }
    await post(engine, "/open_session", { capacity_of_str_len: 1, session_id: "s" });
    expect((await generate({ session_params: { id: "s" } })).status).toBe(200);
    expect((await generate({ session_params: { id: "s", rid: "one" } })).status).toBe(400);
    await post(engine, "/close_session", { session_id: "s" });
    expect((await generate({ session_params: { id: "s" } })).status).toBe(400);
  });

  it("is opened once", async () => {
    const asked = { capacity_of_str_len: 1, session_id: "s" };
    expect((await post(engine, "/open_session", asked)).body).toBe("s");
    expect((await post(engine, "/open_session", asked)).status).toBe(400);
    expect((await post(engine, "/open_session", {})).status).toBe(400);
  });

  it("is opened by a list of segments to store that is not empty, and needed by whoever only loads", async () => {
    const segment = { token_start: 0, token_length: 9, kv_uri: "file:///s", kv_start: 0 };
    const statusOf = async (lists: object) =>
      (await generate({ session_params: { id: "s", ...lists } })).status;
    const loading = { stored_kv_cache: [segment] };
    expect(await statusOf(loading)).toBe(400);
    expect(await statusOf({ ...loading, fresh_kv_cache: [] })).toBe(400);
    expect(await statusOf({ fresh_kv_cache: [segment] })).toBe(200);
    expect(await statusOf(loading)).toBe(200);
    expect((await serverState(engine)).sessions).toBe(1);
  });

  it("is not needed in the dialect that has its own id", async () => {
    const events = await postForEvents(engine, "/generate", {
      ...short,
      kvcache_params: { id: "s", stored_kvcache: [] },
    });
    expect(events).toHaveLength(3);
  });
});
