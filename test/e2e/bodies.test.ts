/** Bodies through Envoy: what Moorline reads of them, and that none is changed; and what clients write into `x-session-id`. */
import { hash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { send } from "../support/client.ts";
import type { ClientRequest } from "../support/client.ts";
import { metric } from "../support/moorline-view.ts";
import { startStack } from "../support/stack.ts";
import type { Stack } from "../support/stack.ts";

const path = "/v1/chat/completions";
const MIB = 1024 * 1024;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({
    bootstrap: "override-host",
    engines: ["a", "b", "c"].map((name) => ({ name })),
  });
  return async () => stack.close();
});

/** A chat request of exactly this many bytes, with its session id at the end. */
function bodyOf(sizeBytes: number, sessionId: string): Buffer {
  const wrap = (content: string) =>
    `{"max_tokens":1,"messages":[{"role":"user","content":"${content}"}],"prompt_cache_key":"${sessionId}"}`;
  return Buffer.from(wrap("w".repeat(sizeBytes - wrap("").length)));
}

async function post(body: Buffer, more: Partial<ClientRequest> = {}) {
  const response = await send(stack.url, { path, body, ...more });
  const { status, text, headers } = response;
  const name = headers["x-engine"];
  if (name === undefined) throw new Error(`no engine answered: ${status} ${text}`);
  const engine = stack.engine(name);
  return { response, seen: engine.requests.at(-1) };
}

describe("a body of 5 MB that holds the session id", () => {
  it.each([
    ["with a length", {}],
    ["chunked", { isChunked: true }],
    ["over HTTP/2", { protocol: "h2" }],
  ] as const)("sticks, and reaches the engine untouched, %s [R8]", async (_, more) => {
    const body = bodyOf(5_000_000, "in-large-body");
    const { response, seen } = await post(body, more);
    expect(response.status).toBe(200);
    expect(response.headers["x-session-id"]).toBe("in-large-body");
    expect(hash("sha256", seen?.body ?? "")).toBe(hash("sha256", body));
    const byHeader = await post(bodyOf(200, ""), { headers: { "x-session-id": "in-large-body" } });
    expect(byHeader.response.headers["x-engine"]).toBe(response.headers["x-engine"]);
  });
});

describe("thirty bodies of 5 MB at once", () => {
  it("are all read in the time that Envoy gives them", async () => {
    const ids = Array.from({ length: 30 }, (_, index) => `at-once-${index}`);
    const answers = await Promise.all(ids.map(async (id) => post(bodyOf(5_000_000, id))));
    expect(answers.map(({ response }) => response.status)).toEqual(ids.map(() => 200));
    expect(answers.map(({ response }) => response.headers["x-session-id"])).toEqual(ids);
  });
});

describe("a body around the limit of 8 MiB", () => {
  const refused = 'moorline_body_refused_total{reason="body_too_large"}';

  it.each([
    ["with a length", {}],
    ["chunked", { isChunked: true }],
  ] as const)("is read at the limit, %s", async (_, more) => {
    const { response } = await post(bodyOf(8 * MIB, "at-the-limit"), more);
    expect([response.status, response.headers["x-session-id"]]).toEqual([200, "at-the-limit"]);
  });

  it.each([
    ["with a length", {}, 1],
    ["chunked", { isChunked: true }, 1],
    ["over HTTP/2, by 4 MiB", { protocol: "h2" }, 4 * MIB],
  ] as const)(
    "passes unread above it, %s: it is answered, with a fresh id, and counted",
    async (_, more, excess) => {
      const before = await metric(stack.moorline, refused);
      const body = bodyOf(8 * MIB + excess, "not-read");
      const { response, seen } = await post(body, more);
      expect(response.status).toBe(200);
      expect(response.headers["x-session-id"]).toMatch(uuid);
      expect(seen?.headers["x-session-id"]).toBe(response.headers["x-session-id"]);
      expect(hash("sha256", seen?.body ?? "")).toBe(hash("sha256", body));
      expect(await metric(stack.moorline, refused)).toBe(before + 1);
    },
  );
});

describe("a client's x-session-id", () => {
  const ask = async (headers: Record<string, string | string[]>) => {
    const { response, seen } = await post(bodyOf(200, "from-body"), { headers });
    return { status: response.status, id: response.headers["x-session-id"], seen };
  };

  it.each([
    ["of 256 bytes is taken", { "x-session-id": "s".repeat(256) }, "s".repeat(256)],
    ["is trimmed", { "x-session-id": " \t mine \t" }, "mine"],
    ["is found in any case", { "X-SESSION-ID": "shouted" }, "shouted"],
    ["that is empty counts as absent", { "x-session-id": "" }, "from-body"],
    ["that is white space counts as absent", { "x-session-id": " \t " }, "from-body"],
    ["that is sent twice counts once: the first", { "x-session-id": ["one", "two"] }, "one"],
  ])("%s; the engine and the client see the same", async (_, headers, id) => {
    const answer = await ask(headers);
    expect([answer.status, answer.id]).toEqual([200, id]);
    expect(answer.seen?.headers["x-session-id"]).toBe(id);
  });

  it.each([
    ["of 257 bytes", "s".repeat(257), "257"],
    ["with a space inside", "a b", "3"],
    ["that is not ASCII", "bo\u00eete", "5"],
    ["with a comma and a forged destination", "a, 6.6.6.6:6", "12"],
  ])("%s is a 400 that echoes nothing of it and reaches no engine", async (_, value, length) => {
    const count = () => stack.engines.reduce((sum, { requests }) => sum + requests.length, 0);
    const before = count();
    const headers = { "x-session-id": value };
    const response = await send(stack.url, { path, body: bodyOf(200, ""), headers });
    expect(response.status).toBe(400);
    expect(response.headers["x-moorline-reason"]).toBe("session_id_invalid");
    expect(response.headers["x-session-id"]).toBeUndefined();
    for (const part of ["x-session-id", length, "256"]) expect(response.text).toContain(part);
    expect(response.text).not.toContain(value);
    expect(count()).toBe(before);
  });
});
