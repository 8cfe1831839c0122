import { describe, expect, it } from "vitest";
import { createDialect } from "../../../../src/kv/dialects/dialects.ts";
import { parsed } from "../../../json/json-oracle.ts";
import {
  CHAT,
  injected,
  MESSAGES,
  read,
  textOf,
  turnOf,
  written,
  INJECTION,
} from "./read-request.ts";

const EXPLICIT = { dialect: "sglang-explicit" } as const;

describe("a body without anything forged", () => {
  it("stays the same bytes", () => {
    const bytes = Buffer.from(`{ "text" : "a", "x":[1.0, 1e999] }`);
    const result = createDialect({ name: "sglang-session", exposeKv: false }).readBody(
      "/generate",
      bytes,
    );

    expect(result).toMatchObject({ kind: "body", removed: 0 });
    expect(result.kind === "body" && result.stripped).toEqual([bytes]);
  });
});

describe("what only the service may send", () => {
  it("is removed with the id beside it, which no engine knows", () => {
    const body = read(
      `{"text":"a","session_params":{"id":"s","stored_kv_cache":[{"kv_uri":"file:///etc"}],"x":1}}`,
    );

    expect(textOf(body.stripped)).toBe(`{"text":"a","session_params":{"id":null,"x":1}}`);
    expect(body.removed).toBe(1);
  });

  it("is removed with an id that has some of it inside", () => {
    const body = read(
      `{"session_params":{"id":{"a":1,"kvcache_params":2},"fresh_kv_cache":1},"x":2}`,
    );

    expect(textOf(body.stripped)).toBe(`{"session_params":{"id":null},"x":2}`);
  });

  it("leaves the engine's own sessions alone", () => {
    const body = read(`{"text":"a","session_params":{"id":"s"},"fresh_kvcache":1}`);

    expect(textOf(body.stripped)).toBe(`{"text":"a","session_params":{"id":"s"}}`);
  });

  it.each([
    String.raw`{"te\u0078t":"a","kvcache_params":1,"text":"b"}`,
    String.raw`{"text":"a","text":"b","kvcache_params":1}`,
    String.raw`{"text":"b","kvcache\u005fparams":1}`,
  ])("is removed from a body that is written anew: %s", (text) => {
    const body = read(text);

    expect(textOf(body.stripped)).toBe(`{"text":"b"}`);
    expect(turnOf(body).prompt).toEqual({ kind: "text", text: "b" });
  });

  it("is removed from session_params however that is spelled, the last one winning", () => {
    const body = read(
      String.raw`{"text":"a","session\u005fparams":{"id":"x"},"session_params":{"id":"y","fresh\u005fkv_cache":[]}}`,
    );

    expect(textOf(body.stripped)).toBe(`{"text":"a","session_params":{"id":null}}`);
  });

  it("does not stumble over the keys and texts of a body that is written anew", () => {
    const body = read(
      String.raw`{"te\u0078t":"\ud800","__proto__":{"kvcache_params":1,"a":"\udc00"},"x":["\u2028"]}`,
    );

    expect(parsed(body.stripped)).toEqual(
      JSON.parse(String.raw`{"text":"\ud800","__proto__":{"a":"\udc00"},"x":["\u2028"]}`),
    );
  });
});

describe("an injected body", () => {
  const session = {
    id: "moorline-1",
    stored_kv_cache: [written(0), written(64)],
    fresh_kv_cache: [written(128)],
  };
  const kvcache = {
    id: "moorline-1",
    stored_kvcache: [written(0), written(64)],
    fresh_kvcache: [written(128)],
  };

  it.each([
    ["without session_params", {}, session],
    ["with null", { session_params: null }, session],
    ["with an empty object", { session_params: {} }, session],
    ["with an id for the service", { session_params: { id: "s", fresh_kv_cache: [] } }, session],
    ["with no id", { session_params: { id: null, rid: null } }, { ...session, rid: null }],
    [
      "with other members",
      { session_params: { offset: null, stored_kv_cache: 1 } },
      { ...session, offset: null },
    ],
  ])("has session_params %s", (_claim, members, session_params) => {
    const body = read({ text: "a", ...members, stream: true });

    expect(injected(body)).toEqual({ text: "a", stream: true, session_params });
  });

  it("has no id that the client meant for the service, where its own is elsewhere", () => {
    const body = read({ text: "a", session_params: { id: "s", fresh_kvcache: 1 } }, EXPLICIT);

    expect(injected(body)).toEqual({
      text: "a",
      session_params: { id: null },
      kvcache_params: kvcache,
    });
  });

  it("has kvcache_params in place of the client's", () => {
    const body = read({ text: "a", kvcache_params: { id: "s", load_threshold: 1 } }, EXPLICIT);

    expect(injected(body)).toEqual({ text: "a", kvcache_params: kvcache });
  });

  it.each([
    ["without any", {}, { kvcache_params: kvcache }],
    ["with null", { kv_transfer_params: null }, { kvcache_params: kvcache }],
    [
      "with forged ones",
      { kv_transfer_params: { kvcache_params: 1 } },
      { kvcache_params: kvcache },
    ],
  ])("of a chat has kv_transfer_params %s", (_claim, members, kv_transfer_params) => {
    const body = read({ messages: MESSAGES, ...members }, CHAT);

    expect(injected(body)).toEqual({ messages: MESSAGES, kv_transfer_params });
  });

  it("names no list that is empty", () => {
    const fresh = { id: "moorline-1", fresh_kv_cache: [written(128)] };
    const stored = { id: "moorline-1", stored_kv_cache: session.stored_kv_cache };
    const explicit = { id: "moorline-1", stored_kvcache: kvcache.stored_kvcache };

    expect(injected(read({ text: "a" }), { stored: [] })).toEqual({
      text: "a",
      session_params: fresh,
    });
    expect(injected(read({ text: "a" }), { fresh: [] })).toEqual({
      text: "a",
      session_params: stored,
    });
    expect(injected(read({ text: "a" }, EXPLICIT), { fresh: [] })).toEqual({
      text: "a",
      kvcache_params: explicit,
    });
  });

  it("is the stripped one where nothing is loaded, stored or sent", () => {
    const body = read({ text: "a", session_params: { rid: null, stored_kv_cache: 1 } });

    expect(injected(body, { stored: [], fresh: [] })).toEqual(parsed(body.stripped));
  });

  it.each([
    [`{"text":"a"}`, `{"input_ids":[0,10,4294967295]}`],
    [
      `{"stream":true, "text" : "a" ,"rid":"r"}`,
      `{"stream":true, "input_ids" : [0,10,4294967295] ,"rid":"r"}`,
    ],
    [`{"input_ids":null,"text":"a"}`, `{"input_ids":[0,10,4294967295],"text":null}`],
    [`{"input_ids":[5]}`, `{"input_ids":[5]}`],
  ])("has ids in place of the text: %s becomes %s", (text, expected) => {
    const inputIds = Uint32Array.of(0, 10, 2 ** 32 - 1);
    const injection = { ...INJECTION, stored: [], fresh: [], inputIds };
    const { pieces } = turnOf(read(text)).inject(injection);

    expect(textOf(pieces)).toBe(expected);
  });

  it("has ids and segments, also where the text comes first", () => {
    const body = injected(read(`{"text":"a"}`), { inputIds: [7] });

    expect(body).toEqual({ input_ids: [7], session_params: session });
  });

  it("is made of views of what the client sent", () => {
    const bytes = Buffer.from(JSON.stringify({ text: "a", stream: true }));
    const result = createDialect({ name: "sglang-session", exposeKv: false }).readBody(
      "/generate",
      bytes,
    );
    const pieces = result.kind === "body" ? turnOf(result).inject(INJECTION).pieces : [];

    expect(pieces.at(-1)?.buffer).toBe(bytes.buffer);
  });
});

describe("a body that is unreadable", () => {
  it.each([
    ["UTF-16", Buffer.from(`{"text":"a"}`, "utf16le"), 1],
    ["a byte order mark", Buffer.from(`\ufeff{"text":"a"}`), 0],
    ["invalid UTF-8", Buffer.from(`{"text":"\xff"}`, "latin1"), 9],
    ["an encoded surrogate", Buffer.from(`{"text":"\xed\xa0\x80"}`, "latin1"), 10],
    ["two texts", Buffer.from("{}{}"), 2],
    ["none", Buffer.alloc(0), 0],
    ["NaN", Buffer.from(`{"a":NaN}`), 5],
    ["129 levels", Buffer.from(`${'{"a":'.repeat(129)}1${"}".repeat(129)}`), 640],
  ])("is %s", (_claim, bytes, offset) => {
    for (const path of ["/generate", "/elsewhere"]) {
      const dialect = createDialect({ name: "sglang-explicit", exposeKv: false });
      expect(dialect.readBody(path, bytes)).toEqual({ kind: "unreadable", offset });
    }
  });
});
