import { describe, expect, it } from "vitest";
import { MESSAGES, read, turnOf } from "./read-request.ts";

const PROMPT_PATHS = ["/completion", "/completions", "/v1/completions"];
const CHAT_PATHS = ["/chat/completions", "/v1/chat/completions"];

function slots(path: string) {
  return { dialect: "llamacpp-slots", path } as const;
}

const COMPLETION = slots("/completion");
const CHAT = slots("/v1/chat/completions");

describe.each(PROMPT_PATHS)("a turn of %s", (path) => {
  it.each([
    [String.raw`{"prompt":"a\n\u00e9"}`, { kind: "text", text: "a\né" }],
    [`{"prompt":[ "a" ]}`, { kind: "text", text: "a" }],
    [
      `{"prompt":[1 , 72,\n4294967295]}`,
      { kind: "ids", ids: Uint32Array.of(1, 72, 4_294_967_295) },
    ],
    [`{"prompt":[ [1,72] ]}`, { kind: "ids", ids: Uint32Array.of(1, 72) }],
  ])("has the prompt of %s", (text, prompt) => {
    expect(turnOf(read(text, slots(path))).prompt).toEqual(prompt);
  });
});

describe.each(CHAT_PATHS)("a turn of %s", (path) => {
  it("has the chat", () => {
    const tools = [{ type: "function", function: { name: "f" } }];
    const content = [{ type: "text", text: "b" }];
    const messages = [...MESSAGES, { role: "assistant", content: null }, { role: "user", content }];
    const rest = { chat_template_kwargs: { a: 1 }, tool_choice: { type: "function" } };
    const { prompt } = turnOf(read({ messages, tools, ...rest }, slots(path)));

    expect(prompt).toEqual({
      kind: "chat",
      chat: { messages, tools, templateKwargs: { a: 1 }, continueFinalMessage: false },
    });
  });
});

describe("a turn of a server with slots", () => {
  it.each([
    [{ n_predict: 7 }, 7],
    [{ n_predict: null, max_completion_tokens: 8, max_tokens: 9 }, 8],
    [{ max_tokens: 9 }, 9],
    [{ n_predict: 0 }, 0],
    [{ n_predict: -1, max_tokens: 9 }, undefined],
    [{}, undefined],
  ])("has for %o at most %s tokens", (members, maxNewTokens) => {
    expect(turnOf(read({ prompt: "a", ...members }, COMPLETION)).maxNewTokens).toBe(maxNewTokens);
    expect(turnOf(read({ messages: MESSAGES, ...members }, CHAT)).maxNewTokens).toBe(maxNewTokens);
  });

  it("may have members that nobody knows: the server compares tokens", () => {
    const unknown = { reasoning_effort: "high", documents: [1], whatever: { x: 1 }, model: "a:b" };

    expect(read({ prompt: "a", ...unknown }, COMPLETION).turn.kind).toBe("turn");
    expect(read({ messages: MESSAGES, ...unknown }, CHAT).turn.kind).toBe("turn");
  });

  it("has the client's own context", () => {
    const { context } = turnOf(read({ prompt: "a", extra_key: "k", cache_salt: "s" }, COMPLETION));

    expect(context).toEqual({ extraKey: "k", cacheSalt: "s" });
  });

  it("does not show its template tools that may not be called", () => {
    const body = { messages: MESSAGES, tools: [{}], tool_choice: "none" };

    expect(turnOf(read(body, CHAT)).prompt).toMatchObject({ chat: { tools: undefined } });
  });
});

describe("no turn of a server with slots", () => {
  it("is what has several prompts or answers, media, an adapter, or no prompt", () => {
    const reasons = [
      [{ prompt: ["a", "b"] }, "batch"],
      [{ prompt: [[1], [2]] }, "batch"],
      [{ prompt: ["a", 1] }, "batch"],
      [{ prompt: [1, "a"] }, "batch"],
      [{ prompt: [[1, "a"]] }, "batch"],
      [{ prompt: ["a", ["b"]] }, "batch"],
      [{ prompt: "a", n: 2 }, "samples"],
      [{ prompt: "a", n_cmpl: 2, n: 1 }, "samples"],
      [{ prompt: { prompt_string: "a", multimodal_data: ["AA=="] } }, "media"],
      [{ prompt: [{ prompt_string: "a" }] }, "media"],
      [{ prompt: "a", image_data: [{ data: "AA==", id: 1 }] }, "media"],
      [{ prompt: "a", lora: [{ id: 0, scale: 1 }] }, "adapter"],
      [{ prompt: "a", lora: [] }, "adapter"],
      [{ prompt: "a", n_cache_reuse: 64 }, "unknown_field"],
      [{ prompt: "" }, "body"],
      [{ prompt: [""] }, "body"],
      [{ prompt: [] }, "body"],
      [{ prompt: [-1] }, "body"],
      [{ prompt: [1.5] }, "body"],
      [{ prompt: [["a"]] }, "batch"],
      [{ prompt: 1 }, "body"],
      [{ prompt: null }, "body"],
      [{ prompt: "a", n: 0 }, "body"],
      [{ prompt: "a", n_predict: "7" }, "body"],
      [{ prompt: "a", n_predict: -2 }, "body"],
      [{ prompt: "a", cache_salt: 1 }, "body"],
      [{ messages: MESSAGES }, "body"],
      [[], "body"],
    ] as const;

    for (const [body, reason] of reasons) {
      expect([body, read(body, COMPLETION).turn]).toEqual([body, { kind: "none", reason }]);
    }
  });

  it("is a chat with media, with an adapter, or without messages", () => {
    const image = { type: "image_url", image_url: { url: "data:," } };
    const audio = { type: "input_audio", input_audio: { data: "", format: "wav" } };
    const chat = { messages: MESSAGES };
    const reasons = [
      [{ messages: [{ role: "user", content: [image] }] }, "media"],
      [{ messages: [{ role: "user", content: [{ type: "text", text: "a" }, audio] }] }, "media"],
      [{ ...chat, lora: [{ id: 0, scale: 0 }] }, "adapter"],
      [{ ...chat, n: 2 }, "samples"],
      [{ ...chat, tools: {} }, "body"],
      [{ ...chat, chat_template_kwargs: [] }, "body"],
      [{ ...chat, tools: Array.from({ length: 16_400 }, () => 1) }, "unknown_field"],
      [{ messages: [] }, "body"],
      [{ messages: [{ content: "a" }] }, "body"],
      [{ prompt: "a" }, "body"],
    ] as const;

    for (const [body, reason] of reasons) {
      expect([body, read(body, CHAT).turn]).toEqual([body, { kind: "none", reason }]);
    }
  });

  it.each([
    "/infill",
    "/v1/responses",
    "/v1/messages",
    "/%63ompletion",
    "/completion/",
    "/generate",
  ])("is on %s, which takes no slot of ours", (path) => {
    const body = { prompt: "a", text: "a", messages: MESSAGES };

    expect(read(body, slots(path)).turn).toEqual({ kind: "none", reason: "path" });
  });
});
