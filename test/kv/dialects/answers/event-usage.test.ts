/** Streams of chats that tell their usage only because we asked for it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openAnswer } from "../../../../src/kv/dialects/answers/open-answer.ts";
import type { AnswerForm } from "../../../../src/kv/dialects/dialect.ts";
import { everyByte, readAnswer } from "../../../support/answer-reading.ts";
import { keyText } from "../../../support/answer-texts.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const place = "kv_transfer_params";

function open(exposeKv = false, form: AnswerForm = "events") {
  return openAnswer({ place, form, exposeKv, removesUsage: true });
}

function read(text: string, exposeKv = false) {
  const bytes = encoder.encode(text);
  const whole = readAnswer(open(exposeKv), bytes);
  expect(readAnswer(open(exposeKv), bytes, everyByte(bytes))).toEqual(whole);
  return { text: decoder.decode(whole.bytes), answer: whole.answer };
}

const head = `"id":"c","object":"chat.completion.chunk","created":1,"model":"m"`;
const event = (members: string) => `data: {${head},${members}}\n\n`;
const content = `"choices":[{"delta":{"content":"é"}}]`;
const counts = `{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}`;
const report = `"kv_transfer_params":{"kvcache_params":{"fresh_kvcache":[]}}`;
const DONE = "data: [DONE]\n\n";
const answer = {
  promptTokens: 9,
  cachedTokens: 4,
  completionTokens: 3,
  outputIds: undefined,
  segments: [],
};

describe("the events of a chat that did not ask for its usage", () => {
  it("lose it, and the one that has nothing else, and tell it", () => {
    const text = [
      event(`${content},"usage":null`),
      event(`"choices":[],"usage":null,${report}`),
      event(`"choices":[],"usage":${counts}`),
    ];
    expect(read(text.join("") + DONE)).toEqual({ text: event(content) + DONE, answer });
  });

  it("are the same bytes where they have none", () => {
    const text = event(content) + event(`"choices":[]`) + `: ping\n\ndata: {}\n\n${DONE}`;
    expect(read(text).text).toBe(text);
  });

  it.each([`"x":0`, content, `"error":{}`])("keep the rest of one with %s besides", (rest) => {
    expect(read(event(`"usage":${counts},${rest}`)).text).toBe(event(rest));
    expect(read(event(`${rest},"usage":${counts}`)).text).toBe(event(rest));
  });

  it("keep an event that says nothing besides it, which is the engine's own", () => {
    const empty = `"choices":[{"index":0,"delta":{}}]`;
    expect(read(event(`${empty},"usage":null`)).text).toBe(event(empty));
    expect(read(event(`${empty},"usage":null,${report}`)).text).toBe("");
  });

  it("keep a usage that is not the stream's", () => {
    const text = event(`"choices":[{"usage":null}],"x":{"usage":${counts}}`);
    expect(read(text).text).toBe(text);
  });

  it("keep the report where it is exposed", () => {
    const text = event(`"choices":[],"usage":null,${report}`);
    expect(read(text + event(`"choices":[],"usage":${counts}`) + DONE, true)).toEqual({
      text: event(`"choices":[],${report}`) + DONE,
      answer,
    });
  });

  it("that are whole go on at once", () => {
    const reader = open();
    const push = (text: string) => decoder.decode(reader.push(encoder.encode(text)));
    expect(push(event(`${content},"usage":null`))).toBe(event(content));
    expect(push(`data: {${head},${content},"usa`)).toBe(`data: {${head},${content}`);
  });

  it("lose nothing where the answer is one JSON text", () => {
    const text = `{${head},"choices":[],"usage":${counts}}`;
    const bytes = encoder.encode(text);
    const read = readAnswer(open(false, "json"), bytes, [9]);
    expect(decoder.decode(read.bytes)).toBe(text);
    expect(read.answer?.promptTokens).toBe(9);
  });
});

type Member = readonly [kind: "idle" | "kept" | "lost", text: string];

const tokens = fc.nat({ max: 10_000 });
const member: fc.Arbitrary<Member> = fc.oneof(
  fc.constantFrom<Member>(
    ["idle", `"id":"c"`],
    ["idle", `"choices":[]`],
    ["idle", `"x":null`],
    ["kept", content],
    ["kept", `"usages":{"usage":1}`],
    ["kept", String.raw`"usag\u0045":"}"`],
    ["lost", `"usage":null`],
    ["lost", `"usage":[{"usage":"]"},1e999]`],
  ),
  fc
    .tuple(keyText("usage"), tokens)
    .map(([key, count]): Member => ["lost", `${key}:{"prompt_tokens":${count}}`]),
);
const stream = fc.array(fc.array(member, { maxLength: 5 }), { maxLength: 6 });

describe("any stream of a chat, cut anywhere", () => {
  it("is left without its usage, and all else as it was written", () => {
    const claim = fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (events, cuts) => {
      const told = events
        .flat()
        .flatMap(([, text]) => /"prompt_tokens":(\d+)/.exec(text)?.[1] ?? []);
      const left = readAnswer(open(), encoder.encode(events.map(written).join("") + DONE), cuts);
      expect(decoder.decode(left.bytes)).toBe(events.map(shown).join("") + DONE);
      expect(left.answer?.promptTokens).toBe(told.length === 0 ? undefined : Number(told.at(-1)));
    });
    fc.assert(claim, { numRuns: 1000 });
  });
});

function written(members: readonly Member[]): string {
  return `data: {${members.map(([, text]) => text).join(",")}}\r\n\r\n`;
}

function shown(members: readonly Member[]): string {
  const left = members.filter(([kind]) => kind !== "lost");
  const isDropped = left.length < members.length && left.every(([kind]) => kind === "idle");
  return isDropped ? "" : written(left);
}
