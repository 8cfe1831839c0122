import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { defaultSpeed } from "../../../demo/simulated-engine/engine.ts";
import { openEngineServer } from "../../../demo/simulated-engine/server.ts";
import type { EngineServer } from "../../../demo/simulated-engine/server.ts";
import { json, send } from "../../support/client.ts";
import type { ClientRequest } from "../../support/client.ts";

const chatPath = "/v1/chat/completions";
/** With the marks of the template, 1 + 14 + 1 tokens: one block. */
const fourteenWords =
  "one two three four five six seven eight nine ten eleven twelve thirteen fourteen";

interface ChatAnswer {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
  };
}

interface GenerateAnswer {
  readonly text: string;
  readonly meta_info: { readonly prompt_tokens: number; readonly cached_tokens: number };
}

let server: EngineServer;
let url: string;

beforeEach(async () => {
  server = await openEngineServer({
    name: "a",
    port: 0,
    bodyLimitBytes: 1000,
    speed: { ...defaultSpeed, prefillUsPerToken: 0, decodeUsPerToken: 0 },
  });
  url = `http://127.0.0.1:${server.port}`;
});

afterEach(async () => server.close());

async function chat(content: string, more: object = {}) {
  const messages = [{ role: "user", content }];
  return send(url, { path: chatPath, body: { messages, max_tokens: 3, ...more } });
}

describe("chat completions", () => {
  it("report the prompt tokens that were in the cache", async () => {
    const first = json<ChatAnswer>(await chat(fourteenWords));
    const second = json<ChatAnswer>(await chat(fourteenWords));
    expect(first.usage).toMatchObject({ prompt_tokens: 16, completion_tokens: 3 });
    expect(first.usage.prompt_tokens_details.cached_tokens).toBe(0);
    expect(second.usage.prompt_tokens_details.cached_tokens).toBe(16);
  });

  it("keep what was generated, so the next turn of a conversation finds it", async () => {
    const first = json<ChatAnswer>(await chat(fourteenWords, { max_tokens: 16 }));
    const messages = [
      { role: "user", content: fourteenWords },
      { role: "assistant", content: first.choices[0]?.message.content },
      { role: "user", content: "and then" },
    ];
    const second = json<ChatAnswer>(await send(url, { path: chatPath, body: { messages } }));
    expect(second.usage.prompt_tokens_details.cached_tokens).toBe(32);
  });

  it("stream one event per token, then the usage and the end mark", async () => {
    const response = await chat("hello", { stream: true });
    const events = response.text.split("\n\n").filter((event) => event !== "");
    expect(response.headers["content-type"]).toBe("text/event-stream");
    expect(events).toHaveLength(5);
    expect(events[3]).toContain('"cached_tokens":0');
    expect(events[4]).toBe("data: [DONE]");
  });

  it("refuse a message without a role with its position", async () => {
    const response = await send(url, { path: chatPath, body: { messages: [{ content: "x" }] } });
    expect(response.status).toBe(400);
    expect(response.text).toContain("messages[0].role");
  });
});

describe("generate", () => {
  it("takes token ids and reports cached tokens in meta_info", async () => {
    const body = { input_ids: Array.from({ length: 20 }, (_, id) => id) };
    await send(url, { path: "/generate", body });
    const answer = json<GenerateAnswer>(await send(url, { path: "/generate", body }));
    expect(answer.meta_info).toMatchObject({ prompt_tokens: 20, cached_tokens: 16 });
  });

  it("streams the text so far in each event", async () => {
    const body = { text: "hi", stream: true, sampling_params: { max_new_tokens: 2 } };
    const { text } = await send(url, { path: "/generate", body });
    expect(text.match(/"text":"[^"]*"/g)).toEqual(['"text":"Your"', '"text":"Your boat"']);
  });
});

describe("the server", () => {
  it("takes a body at its limit and refuses one byte more", async () => {
    const empty = JSON.stringify({ text: "" });
    const atLimit = JSON.stringify({ text: "x".repeat(1000 - empty.length) });
    expect((await send(url, { path: "/generate", body: atLimit })).status).toBe(200);
    expect((await send(url, { path: "/generate", body: `${atLimit} ` })).status).toBe(413);
  });

  it("finds nothing in the cache after a flush", async () => {
    await chat(fourteenWords);
    await send(url, { path: "/flush_cache", method: "POST" });
    const after = json<ChatAnswer>(await chat(fourteenWords));
    expect(after.usage.prompt_tokens_details.cached_tokens).toBe(0);
  });

  it("counts what it served", async () => {
    await chat(fourteenWords);
    await chat(fourteenWords);
    const info = json<object>(await send(url, { path: "/get_server_info" }));
    expect(info).toMatchObject({ name: "a", requests: 2, promptTokens: 32, cachedTokens: 16 });
  });

  it("answers 404 as JSON for a path that it does not know", async () => {
    const response = await send(url, { path: "/v2/nothing" });
    expect(response.status).toBe(404);
    expect(json<object>(response)).toHaveProperty("error.message");
  });

  it("serves while its health fails, when told so", async () => {
    server.setFault("unhealthy");
    expect((await send(url, { path: "/health" })).status).toBe(503);
    expect((await chat("hi")).status).toBe(200);
  });
});

describe("prefills", () => {
  let slow: EngineServer;

  beforeEach(async () => {
    const speed = { ...defaultSpeed, prefillUsPerToken: 50_000, decodeUsPerToken: 0 };
    slow = await openEngineServer({ name: "slow", port: 0, bodyLimitBytes: 1000, speed });
  });

  afterEach(async () => slow.close());

  async function post(text: string, more: Partial<ClientRequest> = {}) {
    return send(`http://127.0.0.1:${slow.port}`, { path: "/generate", body: { text }, ...more });
  }

  it("wait for each other", async () => {
    const startMs = performance.now();
    await Promise.all([post("one"), post("two"), post("three")]);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(3 * 50 - 3); // timers round down
  });

  it("are skipped when the client went away while they waited", async () => {
    const gone = new AbortController();
    const first = post("one");
    const second = post("two", { signal: gone.signal });
    const third = post("three");
    await vi.waitUntil(() => slow.engine.totals.waiting === 3, { interval: 1 });
    gone.abort();

    await expect(second).rejects.toThrow("aborted");
    expect([(await first).status, (await third).status]).toEqual([200, 200]);
    expect(slow.engine.totals.promptTokens).toBe(2);
  });
});
