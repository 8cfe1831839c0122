import { hash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { send } from "../support/client.ts";
import type { ClientRequest } from "../support/client.ts";
import { startStack } from "../support/stack.ts";
import type { Stack } from "../support/stack.ts";

const path = "/v1/chat/completions";
const messages = [{ role: "user", content: "where is my boat" }];
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let stack: Stack;

beforeAll(async () => {
  const engines = ["a", "b", "c"].map((name) => ({ name, decodeUsPerToken: 40_000 }));
  stack = await startStack({
    bootstrap: "override-host",
    engines: [...engines, { name: "six", host: "::1" }],
  });
  return async () => stack.close();
});

async function ask(headers: Record<string, string>, more: Partial<ClientRequest> = {}) {
  return send(stack.url, { path, headers, body: { messages, max_tokens: 1 }, ...more });
}

async function askTimes(times: number, headers: Record<string, string>) {
  const engines = [];
  for (let turn = 0; turn < times; turn += 1)
    engines.push((await ask(headers)).headers["x-engine"]);
  return engines;
}

describe("a conversation through Envoy", () => {
  it("gets an id with its first answer, and with that id stays where it was [A12] [A18] [B20]", async () => {
    const first = await ask({});
    const id = first.headers["x-session-id"] ?? "";
    expect(id).toMatch(uuid);
    expect(await askTimes(5, { "x-session-id": id })).toEqual(
      Array.from({ length: 5 }, () => first.headers["x-engine"]),
    );
  });

  it("stays at one endpoint for ten turns, by any of the header names [B21]", async () => {
    expect(new Set(await askTimes(10, { "x-session-id": "ten" })).size).toBe(1);
    expect(new Set(await askTimes(10, { "x-claude-code-session-id": "ten" })).size).toBe(1);
    expect(new Set(await askTimes(10, { session_id: "ten-more" })).size).toBe(1);
  });

  it("gets its own id back [A16]", async () => {
    expect((await ask({ "x-session-id": "mine" })).headers["x-session-id"]).toBe("mine");
  });

  it("is spread with others over all endpoints, IPv6 among them", async () => {
    const ids = Array.from({ length: 40 }, (_, index) => `spread-${index}`);
    const served = await Promise.all(ids.map(async (id) => ask({ "x-session-id": id })));
    expect(new Set(served.map(({ headers }) => headers["x-engine"]))).toEqual(
      new Set(["a", "b", "c", "six"]),
    );
  });

  it("is the same over HTTP/2 as over HTTP/1.1", async () => {
    const [first] = await askTimes(1, { "x-session-id": "both" });
    const second = await ask({ "x-session-id": "both" }, { protocol: "h2" });
    expect(second.headers).toMatchObject({ "x-engine": first, "x-session-id": "both" });
  });

  it("is streamed without delay, with its id on the headers", async () => {
    const body = { messages, max_tokens: 25, stream: true };
    const response = await ask({ "x-session-id": "stream" }, { body });
    const [first, last] = [response.chunks[0], response.chunks.at(-1)];
    expect(response.headers["x-session-id"]).toBe("stream");
    expect(response.text).toContain("data: [DONE]");
    // They take a second; held back, the first would come with the last.
    expect((last?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(250);
  });
});

describe("a session id that cannot be used", () => {
  it("is a 400 that names the header, the length and the limit", async () => {
    const response = await ask({ "x-session-id": "x".repeat(257) });
    expect(response.status).toBe(400);
    expect(response.headers["content-type"]).toContain("application/json");
    for (const part of ["x-session-id", "257", "256"]) expect(response.text).toContain(part);
  });
});

describe("a session id in the body", () => {
  it("sticks like one in a header, and is the same session", async () => {
    const body = { messages, max_tokens: 1, prompt_cache_key: "in-body" };
    const first = await ask({}, { body });
    const [second] = await askTimes(1, { "x-session-id": "in-body" });
    expect(first.headers).toMatchObject({ "x-session-id": "in-body", "x-engine": second });
  });

  it("leaves the body as it was, byte for byte, also when it is chunked", async () => {
    const body = `{ "prompt_cache_key" : "odd",\n "messages": ${JSON.stringify(messages)}, "max_tokens":1 }`;
    for (const isChunked of [false, true]) {
      const response = await ask({}, { body, isChunked });
      const seen = stack.engine(response.headers["x-engine"] ?? "").requests.at(-1);
      expect(seen?.body.toString()).toBe(body);
    }
  });
});

describe("a body of 5 MB", () => {
  it("reaches the engine untouched", async () => {
    const content = "w".repeat(5_000_000);
    const body = JSON.stringify({ messages: [{ role: "user", content }], max_tokens: 1 });
    const response = await ask({ "x-session-id": "large" }, { body });
    const seen = stack.engine(response.headers["x-engine"] ?? "").requests.at(-1);
    expect(response.status).toBe(200);
    expect(hash("sha256", seen?.body ?? "")).toBe(hash("sha256", body));
  });
});

describe("a destination that the client names", () => {
  it("is not obeyed and reaches no engine [C22]", async () => {
    const [home = ""] = await askTimes(1, { "x-session-id": "forger" });
    for (const engine of stack.engines) {
      const forged = { "x-session-id": "forger", "x-gateway-destination-endpoint": engine.address };
      expect((await ask(forged)).headers["x-engine"]).toBe(home);
    }
    const names = stack.engine(home).requests.flatMap(({ headers }) => Object.keys(headers));
    expect(names).toContain("x-session-id");
    expect(names).not.toContain("x-gateway-destination-endpoint");
  });
});
