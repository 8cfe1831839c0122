import { describe, expect, it } from "vitest";
import { CHAT, MESSAGES, read, turnOf } from "./read-request.ts";

const NO_CONTEXT = { extraKey: undefined, cacheSalt: undefined };

describe("a turn of /generate", () => {
  it("has the text, decoded", () => {
    const { prompt } = turnOf(read(String.raw`{"text":"a\n\u00e9\ud83d\ude00 é"}`));

    expect(prompt).toEqual({ kind: "text", text: "a\né😀 é" });
  });

  it("has the ids", () => {
    const { prompt } = turnOf(read(`{"input_ids" : [ 0,1 , 128000\n,4294967295 ], "text":null}`));

    expect(prompt).toEqual({ kind: "ids", ids: Uint32Array.of(0, 1, 128_000, 4_294_967_295) });
  });

  it.each([
    [{ max_new_tokens: 7 }, 7],
    [{ max_new_tokens: 0, n: 1 }, 0],
    [{ max_new_tokens: null }, undefined],
    [{ temperature: 0 }, 128],
    [null, 128],
  ])("has for %o at most %s tokens", (sampling_params, maxNewTokens) => {
    expect(turnOf(read({ text: "a", sampling_params })).maxNewTokens).toBe(maxNewTokens);
  });

  it("has a context", () => {
    const { context } = turnOf(read({ text: "a", extra_key: "k", cache_salt: "s" }));

    expect(context).toEqual({ extraKey: "k", cacheSalt: "s" });
    expect(turnOf(read({ text: "a", extra_key: null })).context).toEqual(NO_CONTEXT);
  });

  it("may have what leaves its prompt alone, and null in place of what does not", () => {
    const rest = { stream: true, rid: "r", model: "m", metadata: { session_id: "s" }, priority: 1 };
    const nothing = {
      image_data: null,
      audio_data: [],
      lora_path: null,
      session_id: null,
      session_params: null,
    };

    expect(read({ text: "a", ...rest, ...nothing }).turn.kind).toBe("turn");
  });

  it("is none where several prompts, answers or nothing usable is asked for", () => {
    const reasons = [
      [{ text: ["a", "b"] }, "batch"],
      [{ input_ids: [[1], [2]] }, "batch"],
      [{ text: "a", sampling_params: [{}] }, "batch"],
      [{ text: "a", session_params: [{ id: "a", stored_kv_cache: [] }] }, "batch"],
      [{ text: "a", sampling_params: { n: 2 } }, "samples"],
      [{ text: "a", sampling_params: { beam_width: 4 } }, "samples"],
      [{ text: "a", sampling_params: { n: "2" } }, "body"],
      [{ text: "a", sampling_params: 1 }, "body"],
      [{ text: "a", sampling_params: { max_new_tokens: -1 } }, "body"],
      [{ text: "a", sampling_params: { max_new_tokens: 1.5 } }, "body"],
      [{ text: "a", sampling_params: { stop: many(16_384) } }, "body"],
      [{ text: "a", extra_key: ["k"] }, "body"],
      [{ text: "a", session_params: "s" }, "body"],
      [{ text: "a", input_ids: [1] }, "body"],
      [{ text: "" }, "body"],
      [{ text: 1 }, "body"],
      [{}, "body"],
      [[], "body"],
      ["1", "body"],
    ] as const;

    for (const [body, reason] of reasons) {
      expect([body, read(body).turn]).toEqual([body, { kind: "none", reason }]);
    }
  });

  it.each([
    "[]",
    "[-1]",
    "[1.0]",
    "[1e3]",
    "[4294967296]",
    "[00000000001]",
    "[true]",
    `["1"]`,
    "[1,[2]]",
    "{}",
  ])("is none for the ids %s", (ids) => {
    const isJson = ids !== "[00000000001]";
    const body = () => read(`{"input_ids":${ids}}`).turn;

    if (isJson) expect(body()).toEqual({ kind: "none", reason: "body" });
    else expect(body).toThrow("unreadable at 15");
  });

  it("has a million ids at most", () => {
    const ids = (count: number) => `{"input_ids":[${"7,".repeat(count - 1)}7]}`;

    expect(turnOf(read(ids(1 << 20))).prompt).toMatchObject({ kind: "ids" });
    expect(read(ids((1 << 20) + 1)).turn).toEqual({ kind: "none", reason: "body" });
  });

  it.each([
    ["native_session", { session_id: "s" }],
    ["native_session", { session_params: { id: "s" } }],
    ["native_session", { session_params: { id: "s", rid: "r", stored_kv_cache: [] } }],
    ["native_session", { session_params: { offset: 0 } }],
    ["native_session", { session_params: { replace: false, fresh_kv_cache: [] } }],
    ["native_session", { session_params: { drop_previous_output: true } }],
    ["media", { image_data: "http://x" }],
    ["media", { video_data: ["v"] }],
    ["media", { audio_data: ["a"] }],
    ["media", { modalities: ["image"] }],
    ["media", { input_embeds: [[0.5]] }],
    ["adapter", { lora_path: "a" }],
    ["adapter", { lora_id: "a" }],
    ["adapter", { model: "base:adapter" }],
    ["body", { model: 1 }],
    ["unknown_field", { bootstrap_room: 1 }],
    ["unknown_field", { session_params: { x: 1, stored_kv_cache: 1 } }],
    ["unknown_field", { nonsense: null }],
  ])("is none by reason of %s: %o", (reason, members) => {
    expect(read({ text: "a", ...members }).turn).toEqual({ kind: "none", reason });
  });

  it.each(["require_reasoning", "return_hidden_states", "return_routed_experts"])(
    "is none with %s where engines make a session of it, which would lose that",
    (name) => {
      const asked = { text: "a", [name]: true };
      const explicit = { dialect: "sglang-explicit" } as const;

      expect(read(asked).turn).toEqual({ kind: "none", reason: "unknown_field" });
      expect(read({ ...asked, [name]: false }).turn.kind).toBe("turn");
      expect(read(asked, explicit).turn.kind).toBe("turn");
    },
  );

  it("is one where the id of a session is for the service", () => {
    const session_params = { id: "s", rid: null, stored_kv_cache: [] };

    expect(read({ text: "a", session_params }).turn.kind).toBe("turn");
  });

  it("is one for whatever model the request names without an adapter", () => {
    expect(read({ text: "a", model: "org/base-1.5" }).turn.kind).toBe("turn");
    expect(read({ messages: MESSAGES, model: "org/base-1.5" }, CHAT).turn.kind).toBe("turn");
    expect(read({ text: "a", model: null }).turn.kind).toBe("turn");
  });
});

describe("a turn of a chat", () => {
  it("has the messages, tools and template arguments", () => {
    const messages = [
      { role: "system", content: null },
      { role: "user", content: [{ type: "text", text: "a" }] },
      { role: "assistant", tool_calls: [{ id: "1", function: { name: "f", arguments: "{}" } }] },
    ];
    const tools = [{ type: "function", function: { name: "f" } }];
    const chat_template_kwargs = { enable_thinking: false };
    const body = {
      messages,
      tools,
      chat_template_kwargs,
      continue_final_message: true,
      cache_salt: "s",
    };

    expect(turnOf(read(body, CHAT))).toMatchObject({
      prompt: {
        kind: "chat",
        chat: { messages, tools, templateKwargs: chat_template_kwargs, continueFinalMessage: true },
      },
      context: { extraKey: undefined, cacheSalt: "s" },
      maxNewTokens: undefined,
    });
  });

  it("has what the engine gets of its messages", () => {
    const messages = [{ role: "user", content: "a", kvcache_params: 1 }];
    const { prompt } = turnOf(read({ messages }, CHAT));

    expect(prompt).toMatchObject({ chat: { messages: [{ role: "user", content: "a" }] } });
    expect(JSON.stringify(prompt)).not.toContain("kvcache");
  });

  it.each([
    ["auto", 1],
    ["required", 1],
    ["none", 0],
  ])("shows its template with tool_choice %s %i tools", (tool_choice, count) => {
    const { prompt } = turnOf(read({ messages: MESSAGES, tools: [{ a: "b" }], tool_choice }, CHAT));

    expect(prompt.kind === "chat" && (prompt.chat.tools?.length ?? 0)).toBe(count);
  });

  it.each([
    [{ max_tokens: 5 }, 5],
    [{ max_completion_tokens: 6, max_tokens: 5 }, 6],
    [{ max_completion_tokens: 0, max_tokens: 5 }, 5],
    [{ max_completion_tokens: null }, undefined],
  ])("has for %o at most %s tokens", (limits, maxNewTokens) => {
    expect(turnOf(read({ messages: MESSAGES, ...limits }, CHAT)).maxNewTokens).toBe(maxNewTokens);
  });

  it.each([
    ["media", { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }],
    ["body", { messages: [] }],
    ["body", { messages: null }],
    ["body", { messages: ["a"] }],
    ["body", { messages: [{ content: "a" }] }],
    ["body", { messages: [{ role: "user", content: 1 }] }],
    ["body", { messages: [{ role: "user", content: ["a"] }] }],
    ["body", { messages: [{ role: "user", content: [{ type: "text" }] }] }],
    ["body", { tools: {} }],
    ["body", { chat_template_kwargs: [] }],
    ["body", { continue_final_message: "yes" }],
    ["body", { max_tokens: "5" }],
    ["body", { kv_transfer_params: "x" }],
    ["body", { stream_options: [] }],
    ["body", { stream: true, stream_options: { include_usage: "yes" } }],
    ["body", { stream: true, stream_options: { continuous_usage_stats: 1 } }],
    ["body", { n: 0 }],
    ["samples", { n: 2 }],
    ["adapter", { lora_path: ["a"] }],
    ["adapter", { model: "base:adapter" }],
    ["body", { model: ["base"] }],
    ["native_session", { session_id: "s" }],
    ["native_session", { session_params: { id: "s" } }],
    ["unknown_field", { reasoning_effort: "low" }],
    ["unknown_field", { kv_transfer_params: { do_remote_prefill: true } }],
    ["unknown_field", { kv_transfer_params: { remote_host: "h", kvcache_params: 1 } }],
    ["unknown_field", { session_params: { x: 1 } }],
    ["unknown_field", { input_ids: [1] }],
    ["unknown_field", { tool_choice: { type: "function", function: { name: "f" } } }],
    ["unknown_field", { chat_template_kwargs: { "7": 1 } }],
    ["unknown_field", { nonsense: 1 }],
  ])("is none by reason of %s: %o", (reason, members) => {
    expect(read({ messages: MESSAGES, ...members }, CHAT).turn).toEqual({ kind: "none", reason });
  });

  it.each([
    ["unknown_field", "messages", [{ role: "user", content: "a", x: many(16_381) }]],
    ["unknown_field", "tools", many(16_384)],
    ["body", "n", many(16_384)],
  ])("is none by reason of %s where there is too much to parse in %s", (reason, name, value) => {
    const { turn } = read({ messages: MESSAGES, [name]: value }, CHAT);

    expect(turn).toEqual({ kind: "none", reason });
  });

  it("is one up to there", () => {
    const messages = [{ role: "user", content: "a", x: many(16_379) }];

    expect(read({ messages }, CHAT).turn.kind).toBe("turn");
  });

  it.each(["1.0", "0.00001", "-0.00009", "0.000001", "1e-7"])(
    "is none where the template may print %s as we do not",
    (number) => {
      const body = `{"messages":[{"role":"user","content":"a","x":${number}}]}`;

      expect(read(body, CHAT).turn).toEqual({ kind: "none", reason: "unknown_field" });
    },
  );

  it("is one with a number that everybody prints alike", () => {
    const body = `{"messages":[{"role":"user","content":"a","x":[0.0001,-0.5,0,100000.25]}]}`;

    expect(read(body, CHAT).turn.kind).toBe("turn");
  });
});

/** Plain values in a list. */
function many(count: number): number[] {
  return Array.from({ length: count }, () => 1);
}

describe("the path", () => {
  it.each([
    ["sglang-session", "/v1/chat/completions"],
    ["sglang-session", "/generate/"],
    ["sglang-explicit", "/%67enerate"],
    ["sglang-explicit", "/v1/completions"],
    ["sglang-explicit", "/GENERATE"],
  ] as const)("of %s has no turns where it is %s, and no forged fields either", (dialect, path) => {
    const body = read(
      { text: "a", messages: MESSAGES, x: { kvcache_params: 1 } },
      { dialect, path },
    );

    expect(body).toMatchObject({ removed: 1, turn: { kind: "none", reason: "path" } });
    expect(Buffer.concat(body.stripped).toString()).not.toContain("kvcache_params");
  });
});
