import { describe, expect, it } from "vitest";
import { createDialect } from "../../../../src/kv/dialects/dialects.ts";
import { INJECTION, MESSAGES, read, textOf, turnOf } from "./read-request.ts";

const COMPLETION = { dialect: "llamacpp-slots", path: "/completion" } as const;
const SLOT = { kind: "slot", slot: 3 } as const;

function sent(text: string, path = "/completion"): string {
  const { pieces } = turnOf(read(text, { ...COMPLETION, path })).inject(SLOT);
  return textOf(pieces);
}

describe("the slot that a client asks for", () => {
  it.each([
    [`{"id_slot":1,"x":2}`, `{"x":2}`],
    [`{"x":2 , "id_slot" : {"a":[1]} ,"y":3}`, `{"x":2 ,"y":3}`],
    [`{"id_slot":1}`, `{}`],
    [String.raw`{"id\u005fslot":1,"x":2}`, `{"x":2}`],
    [String.raw`{"id_slot":1,"x":2,"\u0069d_slot":2,"id_slot":3}`, `{"x":2}`],
    [`{"id_slot":1,"x":2,"kvcache_params":{"id_slot":5}}`, `{"x":2}`],
  ])("is removed on every path: %s", (text, left) => {
    for (const path of ["/completion", "/v1/chat/completions", "/infill", "/elsewhere"]) {
      const body = read(text, { ...COMPLETION, path });

      expect([path, textOf(body.stripped)]).toEqual([path, left]);
      expect(body.removed).toBeGreaterThan(0);
    }
  });

  it.each([
    `{"x":{"id_slot":1},"y":[{"id_slot":2}]}`,
    `{"tools":[{"function":{"parameters":{"properties":{"id_slot":{}}}}}]}`,
    `[{"id_slot":1}]`,
    `{"id_slots":1,"Id_slot":2,"slot_id":3}`,
  ])("is none of what else is called so: %s", (text) => {
    const body = read(text, COMPLETION);

    expect(textOf(body.stripped)).toBe(text);
    expect(body.removed).toBe(0);
  });

  it("is left alone in the other dialects, whose engines know none", () => {
    const text = `{"text":"a","id_slot":1}`;

    expect(textOf(read(text).stripped)).toBe(text);
  });
});

describe("a body for a slot", () => {
  it.each([
    [`{"prompt":"a"}`, `{"id_slot":3,"cache_prompt":true,"n_cache_reuse":0,"prompt":"a"}`],
    [
      `{ "prompt" : "a", "x":[1.0, 1e999] }`,
      `{"id_slot":3,"cache_prompt":true,"n_cache_reuse":0, "prompt" : "a", "x":[1.0, 1e999] }`,
    ],
    [
      `{"id_slot":0,"prompt":"a","cache_prompt":false}`,
      `{"id_slot":3,"n_cache_reuse":0,"prompt":"a","cache_prompt":true}`,
    ],
    [
      `{"prompt":"a","id_slot":1,"cache_prompt":null,"id_slot":2}`,
      `{"id_slot":3,"n_cache_reuse":0,"prompt":"a","cache_prompt":true}`,
    ],
    [
      String.raw`{"cache_promp\u0074":false,"prompt":"a","cache_prompt":false}`,
      `{"id_slot":3,"n_cache_reuse":0,"prompt":"a","cache_prompt":true}`,
    ],
    [
      String.raw`{"prompt":"a","n_cache\u005freuse":64,"n_cache_reuse":null}`,
      `{"id_slot":3,"cache_prompt":true,"prompt":"a","n_cache_reuse":0}`,
    ],
  ])("has it, and asks for the cache of the prompt's beginning: %s", (text, body) => {
    expect(sent(text)).toBe(body);
  });

  it("has it in a chat, without what only the service may send", () => {
    const text = `{"messages":${JSON.stringify(MESSAGES)},"kvcache_params":1,"id_slot":9}`;
    const body = `{"id_slot":3,"cache_prompt":true,"n_cache_reuse":0,"messages":${JSON.stringify(MESSAGES)}}`;

    expect(sent(text, "/v1/chat/completions")).toBe(body);
  });

  it("is made of views of what the client sent", () => {
    const { pieces } = turnOf(read({ prompt: "a".repeat(1000) }, COMPLETION)).inject(SLOT);

    expect(pieces.length).toBe(3);
    expect(pieces[0]?.buffer).toBe(pieces[2]?.buffer);
  });

  it("takes no segments, and those of others take no slot", () => {
    expect(() => turnOf(read({ prompt: "a" }, COMPLETION)).inject(INJECTION)).toThrow();
    expect(() => turnOf(read({ text: "a" })).inject(SLOT)).toThrow();
  });
});

describe("a body that goes on without a slot", () => {
  const passing = (body: string, { path = "/completion", isShared = true } = {}): string => {
    const dialect = createDialect({ name: "llamacpp-slots", exposeKv: true, isShared });
    const result = dialect.readBody(path, Buffer.from(body));
    if (result.kind === "unreadable") throw new Error(`unreadable at ${result.offset}`);
    return textOf(result.stripped);
  };

  it.each([
    [`{"prompt":"a"}`, `{"cache_prompt":false,"prompt":"a"}`],
    [`{}`, `{"cache_prompt":false}`],
    [`{"prompt":"a","cache_prompt":true}`, `{"prompt":"a","cache_prompt":false}`],
    [
      String.raw`{"cache_prompt":true,"prompt":"a","cache_\u0070rompt":true}`,
      `{"prompt":"a","cache_prompt":false}`,
    ],
    [`{"id_slot":1,"prompt":"a"}`, `{"cache_prompt":false,"prompt":"a"}`],
  ])("takes nothing of what other tenants have in the server: %s", (body, sent) => {
    expect(passing(body)).toBe(sent);
    expect(passing(body, { path: "/v1/responses" })).toBe(sent);
  });

  it("is as the client sent it where there are no others, and where it is no object", () => {
    expect(passing(`{"prompt":"a"}`, { isShared: false })).toBe(`{"prompt":"a"}`);
    expect(passing(`[1]`)).toBe(`[1]`);
  });
});
