/** The usage of a streamed chat, which its answer tells only where it is asked for. */
import { describe, expect, it } from "vitest";
import type { SegmentInjection } from "../../../../src/kv/dialects/dialect.ts";
import { readAnswer } from "../../../support/answer-reading.ts";
import { CHAT, injected, INJECTION, MESSAGES, read, textOf, turnOf } from "./read-request.ts";

const STREAM = { messages: MESSAGES, stream: true };
const NOTHING = { stored: [], fresh: [] };

function optionsOf(body: object, injection: Partial<SegmentInjection> = {}): unknown {
  return (injected(read(body, CHAT), injection) as Record<string, unknown>)["stream_options"];
}

describe("an injected stream of a chat", () => {
  it.each([
    ["nothing", {}, { include_usage: true }],
    ["null", { stream_options: null }, { include_usage: true }],
    ["no options", { stream_options: {} }, { include_usage: true }],
    ["false", { stream_options: { include_usage: false } }, { include_usage: true }],
    ["a null", { stream_options: { include_usage: null } }, { include_usage: true }],
    ["others", { stream_options: { x: [1] } }, { include_usage: true, x: [1] }],
    [
      "no more than that",
      { stream_options: { continuous_usage_stats: false } },
      { include_usage: true, continuous_usage_stats: false },
    ],
  ])("asks for its usage where the client said %s of it", (_claim, members, expected) => {
    expect(optionsOf({ ...STREAM, ...members })).toEqual(expected);
  });

  it.each([{ include_usage: true }, { continuous_usage_stats: true, include_usage: false }])(
    "keeps the options of a client that asks itself: %o",
    (stream_options) => {
      expect(optionsOf({ ...STREAM, stream_options })).toEqual(stream_options);
    },
  );

  it("keeps all other bytes", () => {
    const text = `{ "stream":true,"stream_options": {"x" : 1.0 , "include_usage":false },"messages":[{"role":"user","content":"a"}]}`;
    const turn = turnOf(read(text, CHAT));
    const { pieces } = turn.inject(INJECTION);
    expect(textOf(pieces).replace(/"kv_transfer_params":.*?\}\]\}\},/, "")).toBe(
      text.replace("false", "true"),
    );
  });

  it("asks for nothing where the engine tells it unasked, and its client sees it", () => {
    expect(optionsOf(STREAM, { tellsUsage: true })).toBeUndefined();
    const { openAnswer } = turnOf(read(STREAM, CHAT)).inject({ ...INJECTION, tellsUsage: true });
    const text = 'data: {"choices":[],"usage":{"prompt_tokens":3}}\n\ndata: [DONE]\n\n';
    const { bytes, answer } = readAnswer(openAnswer("events"), new TextEncoder().encode(text));
    expect(textOf([bytes])).toBe(text);
    expect(answer?.promptTokens).toBe(3);
  });

  it("asks for nothing where nothing is loaded or stored", () => {
    expect(optionsOf(STREAM, NOTHING)).toBeUndefined();
  });

  it.each([{ stream: false }, { stream: null }, {}])("is none with %o", (members) => {
    expect(optionsOf({ messages: MESSAGES, ...members })).toBeUndefined();
    const stream_options = { include_usage: false };
    expect(optionsOf({ messages: MESSAGES, ...members, stream_options })).toEqual(stream_options);
  });
});

describe("the answer to it", () => {
  const content = (usage: string) => `data: {"choices":[{"delta":{}}]${usage}}\n\n`;
  const nulls = content(`,"usage":null`);
  const usage = `data: {"choices":[],"usage":{"prompt_tokens":9}}\n\n`;
  const DONE = "data: [DONE]\n\n";

  function shown(body: object, injection: Partial<SegmentInjection> = {}) {
    const turn = turnOf(read(body, CHAT));
    const { openAnswer } = turn.inject({ ...INJECTION, ...injection });
    const bytes = new TextEncoder().encode(nulls + usage + DONE);
    const { bytes: left, answer } = readAnswer(openAnswer("events"), bytes);
    return { text: Buffer.from(left).toString(), promptTokens: answer?.promptTokens };
  }

  it("tells us the usage, and not the client, which did not ask", () => {
    expect(shown(STREAM)).toEqual({ text: content("") + DONE, promptTokens: 9 });
  });

  it.each([{ include_usage: true }, { continuous_usage_stats: true }])(
    "tells the client what it asked for: %o",
    (stream_options) => {
      const text = nulls + usage + DONE;
      expect(shown({ ...STREAM, stream_options })).toEqual({ text, promptTokens: 9 });
    },
  );

  it("tells the client all where we asked for nothing", () => {
    expect(shown(STREAM, NOTHING).text).toBe(nulls + usage + DONE);
  });
});
