import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freshAnswer } from "../../../../demo/engine/oracle.ts";
import { startComputingEngine, tinyOracle } from "../../../support/computing-engine.ts";
import type { ComputingEngine } from "../../../support/computing-engine.ts";
import { post, postForEvents, touch } from "../../../support/engine-client.ts";

const path = "/v1/chat/completions";
const messages = [
  { role: "system", content: "You mind the boats." },
  { role: "user", content: "Where is mine?" },
];
const asked = { model: "demo-tiny", messages, max_tokens: 12, ignore_eos: true };
const { tokenizer } = tinyOracle;
const prompt = tokenizer.encodeChat({ messages });
const answerTo = (ids: readonly number[]) =>
  freshAnswer(tinyOracle, ids, { maxNewTokens: 12, ignoresEos: true });
const expected = answerTo(prompt);
const tokens = prompt.length + 11;

let engine: ComputingEngine;
let kvcacheParams: { id: string; fresh_kvcache: object[] };
let committed: object;
beforeAll(async () => {
  engine = await startComputingEngine({ limits: { cacheTokens: 0 } });
  const kvUri = await touch(engine, "chat");
  const segment = { token_start: 0, token_length: 500, kv_uri: kvUri, kv_start: 0 };
  kvcacheParams = { id: "chat-1", fresh_kvcache: [segment] };
  committed = { ...segment, token_length: tokens, kv_length: tokens * 256 };
});
afterAll(async () => engine.close());

const usage = {
  prompt_tokens: prompt.length,
  completion_tokens: 12,
  total_tokens: prompt.length + 12,
  prompt_tokens_details: { cached_tokens: 0 },
};

describe("POST /v1/chat/completions", () => {
  it("answers what the template makes of the messages", async () => {
    const { status, body } = await post(engine, path, asked);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      object: "chat.completion",
      model: "demo-tiny",
      choices: [
        { message: { role: "assistant", content: expected.text }, finish_reason: "length" },
      ],
      usage,
      logits_digest: expected.digest,
    });
    expect(body).not.toHaveProperty("kv_transfer_params");
  });

  it("tells under kv_transfer_params what it stores", async () => {
    const kv = { kv_transfer_params: { kvcache_params: kvcacheParams } };
    const { body } = await post(engine, path, { ...asked, ...kv });
    expect(body.kv_transfer_params.kvcache_params).toMatchObject({
      id: "chat-1",
      fresh_kvcache: [committed],
    });
  });

  it("streams the role, the text in pieces and why it ended", async () => {
    const events = await postForEvents(engine, path, asked);
    expect(events.at(-1)).toBe("[DONE]");
    const chunks = events.slice(0, -1);
    const deltas = chunks.map(({ choices }) => choices[0].delta);
    expect(deltas[0]).toEqual({ role: "assistant", content: "" });
    expect(deltas.map(({ content = "" }) => content).join("")).toBe(expected.text);
    expect(chunks.at(-1)).toMatchObject({
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta: {}, finish_reason: "length" }],
      logits_digest: expected.digest,
    });
    const reasons = chunks.slice(0, -1).map(({ choices }) => choices[0].finish_reason);
    expect(new Set(reasons)).toEqual(new Set([null]));
  });

  it("streams what it stores in one event after the end, and then the usage that was asked for", async () => {
    const events = await postForEvents(engine, path, {
      ...asked,
      stream_options: { include_usage: true },
      kv_transfer_params: { kvcache_params: kvcacheParams },
    });
    const having = (member: string) => events.filter((event) => Object.hasOwn(event, member));
    expect(having("kv_transfer_params")).toEqual([events.at(-3)]);
    expect(events.at(-3).kv_transfer_params.kvcache_params.fresh_kvcache).toEqual([committed]);
    expect(having("usage")).toEqual(events.slice(0, -1));
    expect(events.filter((event) => event.usage)).toEqual([events.at(-2)]);
    expect(events.at(-2)).toMatchObject({ choices: [], usage });
  });

  it("streams the usage so far with each piece of text where that is asked for", async () => {
    const stream_options = { continuous_usage_stats: true };
    const events = await postForEvents(engine, path, { ...asked, stream_options });
    const told = events.filter((event) => Object.hasOwn(event, "usage"));
    expect(told).toEqual(events.filter((event) => event.choices?.[0].delta.content));
    expect(told[0].usage.prompt_tokens).toBe(prompt.length);
    expect(told.at(-1).usage).toEqual(usage);
  });

  it("takes parts of text, tools and arguments of the template as parts of the prompt", async () => {
    const tools = [{ type: "function", function: { name: "moor" } }];
    const parts = [
      { type: "text", text: "Where is" },
      { type: "text", text: "mine?" },
    ];
    const { body } = await post(engine, path, {
      ...asked,
      messages: [messages[0], { role: "user", content: parts }],
      tools,
      chat_template_kwargs: { enable_thinking: true },
    });
    const templateKwargs = { enable_thinking: true };
    const ids = tokenizer.encodeChat({ messages, tools, templateKwargs });
    expect(body.usage.prompt_tokens).toBe(ids.length);
    expect(body.logits_digest).toBe(answerTo(ids).digest);
  });

  it("goes on with a last answer where that is asked for", async () => {
    const begun = { role: "assistant", content: "It lies at" };
    const chat = { ...asked, messages: [...messages, begun], continue_final_message: true };
    const { body } = await post(engine, path, chat);
    const ids = [...prompt, ...tokenizer.encodePlain("It lies at")];
    expect(body.logits_digest).toBe(answerTo(ids).digest);
  });

  it("takes a last answer for the user's words otherwise", async () => {
    const said = (role: string) => [...messages, { role, content: "It lies at" }];
    const { body } = await post(engine, path, { ...asked, messages: said("assistant") });
    const ids = tokenizer.encodeChat({ messages: said("user") });
    expect(body.logits_digest).toBe(answerTo(ids).digest);
  });

  it.each([
    [{ messages: [] }, "messages must be a list"],
    [{ messages: [{ content: "x" }] }, "messages[0].role must be a string"],
    [{ messages: [{ role: "user", content: 7 }] }, "messages[0].content must be"],
    [{ tools: {} }, "tools must be a list of functions with names"],
    [{ tools: [{ name: "moor" }] }, "tools must be a list of functions with names"],
    [
      { kv_transfer_params: { kvcache_params: { fresh_kvcache: [{}] } } },
      "Missing required fields",
    ],
  ])("refuses %j with a 400, in a stream too", async (change, message) => {
    for (const stream of [false, true]) {
      const { status, body } = await post(engine, path, { ...asked, ...change, stream });
      expect(status).toBe(400);
      expect(body.error.message).toContain(message);
    }
  });
});
