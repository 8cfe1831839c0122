import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freshAnswer } from "../../../../demo/engine/oracle.ts";
import { startComputingEngine, tinyOracle } from "../../../support/computing-engine.ts";
import type { ComputingEngine } from "../../../support/computing-engine.ts";
import {
  post,
  postForEvents,
  serverState,
  someIds,
  touch,
} from "../../../support/engine-client.ts";

const BYTES_PER_TOKEN = 256;
const id = "session-97f1226c-e752-4961-a858-432814b5dce0";
const prompt = someIds(113);
const sampling = { max_new_tokens: 30, ignore_eos: true };
const expected = freshAnswer(tinyOracle, prompt, { maxNewTokens: 30, ignoresEos: true });

let engine: ComputingEngine;
let uri: string;
beforeAll(async () => {
  engine = await startComputingEngine({ limits: { cacheTokens: 0 } });
  uri = await touch(engine, id);
});
afterAll(async () => engine.close());

const reservation = () => ({ token_start: 0, token_length: 1213, kv_uri: uri, kv_start: 0 });
const committed = () => ({
  ...reservation(),
  token_length: 142, // 113 of the prompt and 30 of the answer, whose last one has no KV
  kv_length: 142 * BYTES_PER_TOKEN,
});

describe("POST /generate", () => {
  it("answers with the ids, their text and digest, and the counts", async () => {
    const { status, body } = await post(engine, "/generate", {
      input_ids: prompt,
      sampling_params: sampling,
      rid: "request-1",
    });
    expect(status).toBe(200);
    expect(body).toEqual({
      text: expected.text,
      output_ids: expected.ids,
      meta_info: {
        id: "request-1",
        finish_reason: { type: "length", length: 30 },
        prompt_tokens: 113,
        completion_tokens: 30,
        cached_tokens: 0,
        weight_version: "default",
        e2e_latency: expect.any(Number),
        logits_digest: expected.digest,
      },
    });
  });

  it("tokenises a text with the model's own marks around it", async () => {
    const text = "The boats lie still. ".repeat(3);
    const { body } = await post(engine, "/generate", { text, sampling_params: sampling });
    const ids = tinyOracle.tokenizer.encodeText(text);
    const answer = freshAnswer(tinyOracle, ids, { maxNewTokens: 30, ignoresEos: true });
    expect([body.meta_info.prompt_tokens, body.output_ids]).toEqual([ids.length, answer.ids]);
  });

  it("tells in session_params what it stores, floored and in bytes", async () => {
    const { body } = await post(engine, "/generate", {
      input_ids: prompt,
      sampling_params: sampling,
      session_params: { id, stored_kv_cache: [], fresh_kv_cache: [reservation()] },
    });
    expect(Object.keys(body)).toEqual(["text", "output_ids", "meta_info", "session_params"]);
    expect(body.session_params).toEqual({
      id,
      rid: null,
      offset: null,
      replace: null,
      drop_previous_output: null,
      stored_kv_cache: null,
      fresh_kv_cache: [committed()],
    });
  });

  it("tells in kvcache_params what it stores", async () => {
    const { body } = await post(engine, "/generate", {
      input_ids: prompt,
      sampling_params: sampling,
      kvcache_params: { id, stored_kvcache: [], fresh_kvcache: [reservation()] },
    });
    expect(body.kvcache_params).toMatchObject({ id, fresh_kvcache: [committed()] });
  });

  it("tells an empty list where nothing is stored", async () => {
    const { body } = await post(engine, "/generate", {
      input_ids: prompt,
      sampling_params: sampling,
      kvcache_params: { id, fresh_kvcache: [] },
    });
    expect(body.kvcache_params.fresh_kvcache).toEqual([]);
  });

  it.each([
    ["session_params", "fresh_kv_cache"],
    ["kvcache_params", "fresh_kvcache"],
  ])(
    "repeats itself in each event, with the reservation in %s before the last and the truth in it",
    async (member, fresh) => {
      const events = await postForEvents(engine, "/generate", {
        input_ids: prompt,
        sampling_params: sampling,
        [member]: { id, [fresh]: [reservation()] },
      });
      expect(events).toHaveLength(31);
      expect(events.at(-1)).toBe("[DONE]");
      for (const [index, event] of events.slice(0, 29).entries()) {
        expect(event.output_ids).toEqual(expected.ids.slice(0, index + 1));
        expect(expected.text.startsWith(event.text)).toBe(true);
        expect(event.meta_info.finish_reason).toBeNull();
        expect(event[member][fresh]).toEqual([{ ...reservation(), kv_length: null }]);
      }
      const last = events[29];
      expect([last.text, last.output_ids]).toEqual([expected.text, expected.ids]);
      expect(last.meta_info.logits_digest).toBe(expected.digest);
      expect(last[member][fresh]).toEqual([committed()]);
    },
  );

  it("answers before anything is written", async () => {
    const kvUri = await touch(engine, "later");
    await engine.written();
    engine.behave({ writeDelayMs: 60_000 });
    const { body } = await post(engine, "/generate", {
      input_ids: prompt,
      sampling_params: sampling,
      kvcache_params: { id, fresh_kvcache: [{ ...reservation(), kv_uri: kvUri }] },
    });
    const sizeBytes = async () => (await readFile(join(engine.root, "later"))).length;
    const pending = (await serverState(engine)).pending_writes;
    expect([await sizeBytes(), pending]).toEqual([0, 1]);
    engine.behave({});
    await engine.written();
    expect(await sizeBytes()).toBe(body.kvcache_params.fresh_kvcache[0].kv_length);
  });
});

describe("what is wrong with a request to /generate", () => {
  const segment = (start: number, length = 10) => {
    return { token_start: start, token_length: length, kv_uri: "file:///s", kv_start: 0 };
  };
  const gap = [segment(0), segment(20)];
  const apart = { stored_kvcache: [segment(0)], fresh_kvcache: [segment(20)] };

  it.each([
    [{ session_params: { id, stored_kv_cache: gap } }, "not contiguous at index 1"],
    [{ kvcache_params: { id, fresh_kvcache: gap } }, "not contiguous at index 1"],
    [{ kvcache_params: { id, fresh_kvcache: [{}] } }, "Missing required fields"],
    [{ kvcache_params: apart }, "old ends at token 10, but new starts at token 20"],
    [{ kvcache_params: { stored_kvcache: [segment(0, 114)] } }, "input ids length 113 < stored"],
    [{ input_ids: [] }, "text must be a string, or input_ids"],
    [{ input_ids: [[1], [2]] }, "text must be a string, or input_ids"],
    [{ input_ids: [100_000] }, "token id 100000 must be in"],
    [{ sampling_params: { n: 2 } }, "n must be 1"],
    [{ sampling_params: { max_new_tokens: 0 } }, "max_new_tokens must be at least 1"],
    [{ sampling_params: { max_new_tokens: 32_768 } }, "above the context length of 32768"],
    [{ session_params: [] }, "session_params must be an object"],
  ])("is told with a 400, or in an event: %j", async (change, message) => {
    const asked = { input_ids: prompt, ...change };
    const { status, body } = await post(engine, "/generate", asked);
    expect(status).toBe(400);
    expect(body.error.message).toContain(message);
    const events = await postForEvents(engine, "/generate", asked);
    expect(events).toEqual([{ error: { message: body.error.message } }, "[DONE]"]);
  });
});
