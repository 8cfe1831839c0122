import { describe, expect, it } from "vitest";
import { openAnswer, type ReportPlace } from "../../../../src/kv/dialects/answers/open-answer.ts";
import { everyByte, readAnswer } from "../../../support/answer-reading.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function read(text: string, place: ReportPlace = "session_params", exposeKv = false) {
  const bytes = encoder.encode(text);
  const open = () => openAnswer({ place, form: "events", exposeKv });
  const whole = readAnswer(open(), bytes);
  expect(readAnswer(open(), bytes, everyByte(bytes))).toEqual(whole);
  return { text: decoder.decode(whole.bytes), answer: whole.answer };
}

const segment = (start: number, kvLength: number | null) =>
  `{"token_start":${start},"token_length":64,"kv_uri":"file:///a","kv_start":0,"kv_length":${kvLength}}`;
const segmentAt = (tokenStart: number) => ({
  tokenStart,
  tokenLength: 64,
  kvUri: "file:///a",
  kvStart: 0,
  kvLength: 512,
});
const meta = (completion: number) =>
  `"meta_info":{"prompt_tokens":9,"cached_tokens":4,"completion_tokens":${completion}}`;
const DONE = "data: [DONE]\n\n";

describe("the events of /generate", () => {
  const event = (ids: readonly number[], report: string) =>
    `data: {"text":"é","output_ids":[${ids.join()}],${meta(ids.length)},"session_params":{"fresh_kv_cache":${report}}}\n\n`;
  const left = (ids: readonly number[]) =>
    `data: {"text":"é","output_ids":[${ids.join()}],${meta(ids.length)}}\n\n`;

  it("lose their session_params, and the last one tells the answer", () => {
    const reservation = `[${segment(0, null)}]`;
    const text = `${event([1], reservation)}${event([1, 2], reservation)}${event([1, 2, 3], `[${segment(64, 512)}]`)}${DONE}`;
    expect(read(text)).toEqual({
      text: `${left([1])}${left([1, 2])}${left([1, 2, 3])}${DONE}`,
      answer: {
        promptTokens: 9,
        cachedTokens: 4,
        completionTokens: 3,
        outputIds: [1, 2, 3],
        segments: [segmentAt(64)],
      },
    });
  });

  it("tell nothing of what an earlier one said and the last one does not", () => {
    const { answer } = read(`${event([1], `[${segment(0, 512)}]`)}data: {"text":"é"}\n\n${DONE}`);
    expect(answer).toEqual({
      promptTokens: undefined,
      cachedTokens: undefined,
      completionTokens: undefined,
      outputIds: undefined,
      segments: [],
    });
  });

  it("keep everything where it is exposed", () => {
    const text = `${event([1], `[${segment(0, 512)}]`)}${DONE}`;
    const result = read(text, "session_params", true);
    expect(result.text).toBe(text);
    expect(result.answer?.segments).toEqual([segmentAt(0)]);
  });

  it("that are whole go on at once, as views of the chunk where nothing is removed", () => {
    const reader = openAnswer({ place: "session_params", form: "events", exposeKv: false });
    const plain = encoder.encode(left([1]) + left([1, 2]));
    const pushed = reader.push(plain);
    expect(pushed.buffer).toBe(plain.buffer);
    expect(pushed).toEqual(plain);
    expect(decoder.decode(reader.push(encoder.encode(event([1], "[]"))))).toBe(left([1]));
  });

  it("that are not whole go on as far as they are known to stay", () => {
    const reader = openAnswer({ place: "session_params", form: "events", exposeKv: false });
    const push = (text: string) => decoder.decode(reader.push(encoder.encode(text)));
    expect(push(`data: {"text":"a`)).toBe(`data: {"text":"a`);
    expect(push(`b","ses`)).toBe(`b"`);
    expect(push(`ame"`)).toBe("");
    expect(push(`: 1, "x`)).toBe(`,"sesame": 1`);
    expect(decoder.decode(reader.finish().rest)).toBe(`, "x`);
  });
});

describe("the frames of events", () => {
  const body = `{"a":1,"session_params":{"fresh_kv_cache":[${segment(0, 512)}]}}`;

  it.each([
    ["LF", "\n"],
    ["CRLF", "\r\n"],
    ["CR", "\r"],
  ])("may end in %s", (_name, end) => {
    const frame = (data: string) =>
      `: hello${end}event: x${end}data:${data}${end}id: 7${end}${end}`;
    const { text, answer } = read(`${frame(body)}: ping${end}${end}${frame("[DONE]")}`);
    expect(text).toBe(`${frame(`{"a":1}`)}: ping${end}${end}${frame("[DONE]")}`);
    expect(answer?.segments).toEqual([segmentAt(0)]);
  });

  it("may hold one text in several lines of data, with other lines between them", () => {
    const lines = [
      `{"a"`,
      `:12`,
      `,"session_params":{`,
      `"fresh_kv_cache":[`,
      `${segment(0, 512)}]}`,
      `}`,
    ];
    const { text, answer } = read(
      `${lines.map((line) => `data: ${line}\n: c\n`).join("")}\n${DONE}`,
    );
    expect(text.replaceAll(": c\n", "")).toBe(
      `data: {"a"\ndata: :12\ndata: \ndata:\ndata:\ndata:}\n\n${DONE}`,
    );
    expect(answer?.segments).toEqual([segmentAt(0)]);
  });

  it("end a number where they end its line, and belong in no string", () => {
    const answer = (text: string) => read(`data:${text}\n\n${DONE}`).answer;
    expect(answer(`{"meta_info":{"prompt_tokens":9\ndata:}}`)).toMatchObject({ promptTokens: 9 });
    expect(answer(`{"meta_info":{"prompt_tokens":9\ndata:9}}`)).toBeUndefined();
    expect(answer(`{"output_ids":[1\ndata:2],${meta(1)}}`)?.outputIds).toBeUndefined();
    expect(answer(`{"output_ids":[1\ndata:,2],${meta(2)}}`)?.outputIds).toEqual([1, 2]);
    expect(answer(`{"text":"a\ndata:b"}`)).toBeUndefined();
    expect(answer(`{"te\ndata:xt":"b"}`)).toBeUndefined();
  });

  it("need no blank line at the end", () => {
    expect(read(`data: ${body}\n\ndata: [DONE]`)).toMatchObject({
      text: `data: {"a":1}\n\ndata: [DONE]`,
      answer: { segments: [segmentAt(0)] },
    });
    expect(read(`data: ${body}`).text).toBe(`data: {"a":1}`);
  });

  it("of other names pass untouched", () => {
    const text = `dat: ${body}\nDATA:${body}\n data:${body}\ndatax: ${body}\ndata\n\n`;
    expect(read(text)).toEqual({ text, answer: undefined });
  });
});

describe("the events of a chat", () => {
  const head = `"id":"c","object":"chat.completion.chunk","created":1,"model":"m"`;
  const content = `data: {${head},"choices":[{"delta":{"content":"é"}}],"usage":null}\n\n`;
  const usage = `data: {${head},"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}\n\n`;
  const params = (start: number) =>
    `"kv_transfer_params":{"kvcache_params":{"id":"x","fresh_kvcache":[${segment(start, 512)}]}}`;
  const extra = (start: number) => `data: {${head},"choices":[],${params(start)}}\n\n`;
  const answer = {
    promptTokens: 9,
    cachedTokens: undefined,
    completionTokens: 3,
    outputIds: undefined,
    segments: [segmentAt(64)],
  };

  it("lose the one that carries nothing but the report", () => {
    for (const text of [usage + extra(64), extra(64) + usage, extra(0) + extra(64) + usage]) {
      expect(read(content + text + DONE, "kv_transfer_params")).toEqual({
        text: content + usage + DONE,
        answer,
      });
    }
  });

  it.each([
    ["\r\n", `event: x\r\ndata: {${params(64)},"usage":null}\r\n\r\n`],
    ["\r", `id: 5\rdata: {"choices" : [ ],${params(64)}}\r: c\r\r`],
    ["\n", `data: {\ndata: ${params(64)}\ndata: }\n\n`],
  ])("lose it whole with lines that end in %j", (_end, event) => {
    const { text, answer: told } = read(content + event + content + DONE, "kv_transfer_params");
    expect(text).toBe(content + content + DONE);
    expect(told?.segments).toEqual([segmentAt(64)]);
  });

  it("lose nothing behind it, whatever its lines end in", () => {
    const text = `${extra(64)}: x\r\n\r\ndata: {"x":0,${params(64)}}\r\nid: 7\r\n\r\n`;
    expect(read(text, "kv_transfer_params").text).toBe(`: x\r\n\r\ndata: {"x":0}\r\nid: 7\r\n\r\n`);
  });

  it("keep what is left of one that is not whole", () => {
    expect(read(`data: {${params(64)}\n\n`, "kv_transfer_params").text).toBe("data: {\n\n");
  });

  it("lose it at the end of the stream too", () => {
    const { text } = read(content + extra(64).trimEnd(), "kv_transfer_params");
    expect(text).toBe(content);
  });

  it.each([
    `"choices":[{"index":0,"delta":{"reasoning_content":null},"logprobs":null,"finish_reason":null,"matched_stop":null}]`,
    `"choices":[{"index":0,"delta":{}},{"index":1,"delta":{}}]`,
    `"choices": [ { "a\\"" : { "t" : [ null , -1.5e3 ] } } , [ ] ]`,
    `"choices":[[[[[[[[]]]]]]]]`,
    `"choices":null`,
  ])("lose it with a choice that says nothing: %s", (choices) => {
    for (const members of [`${choices},${params(64)}`, `${params(64)},${choices}`]) {
      const { text, answer: told } = read(
        `data: {${head},${members}}\n\n${DONE}`,
        "kv_transfer_params",
      );
      expect(text).toBe(DONE);
      expect(told?.segments).toEqual([segmentAt(64)]);
    }
  });

  it.each([
    `"choices":[{"delta":{"content":""}}]`,
    `"choices":[{"finish_reason" : "stop"}]`,
    `"choices":[{"}\\"":[{"a":{}}, true]}]`,
    `"choices":[NaN]`,
    `"choices":[[[[[[[[[]]]]]]]]]`,
    `"choices":{}`,
    `"x":[{}]`,
    `"usage":{}`,
    `"x":0`,
    `"x":""`,
    `"x":{}`,
    `"x":false`,
    `"kv_transfer_params":{"x":null}`,
  ])("keep it, less the report, when it has %s besides", (member) => {
    const before = read(`data: {${member},${params(64)},${head}}\n\n${DONE}`, "kv_transfer_params");
    const behind = read(`data: {${params(64)},${head},${member}}\n\n${DONE}`, "kv_transfer_params");
    expect(before.text).toBe(`data: {${member},${head}}\n\n${DONE}`);
    expect(behind.text).toBe(`data: {${head},${member}}\n\n${DONE}`);
    expect(before.answer?.segments).toEqual([segmentAt(64)]);
  });

  it("keep those that have nothing to remove, whatever is in them", () => {
    const text = `data: {"choices":[{"delta":{}}]}\n\ndata: {}\n\ndata: {${head}}\n\n: ping\n\nid: 4\n\ndata: {"kv_transfer_params":{}}\n\n${DONE}`;
    expect(read(text, "kv_transfer_params").text).toBe(text);
  });

  it("keep the report where it is exposed", () => {
    const text = content + extra(64) + usage + DONE;
    expect(read(text, "kv_transfer_params", true)).toEqual({ text, answer });
    const exposing = openAnswer({ place: "kv_transfer_params", form: "events", exposeKv: true });
    const begun = encoder.encode(`data: {${head}`);
    expect(exposing.push(begun)).toEqual(begun);
  });

  it("are not delayed by a comment, or longer than until something is said", () => {
    const reader = openAnswer({ place: "kv_transfer_params", form: "events", exposeKv: false });
    const push = (text: string) => decoder.decode(reader.push(encoder.encode(text)));
    expect(push(": ping\n")).toBe(": ping\n");
    expect(push("data: ?")).toBe("data: ?");
    expect(push("\n\n")).toBe("\n\n");
    expect(push(`data: {${head}`)).toBe("");
    expect(push(`,"choices":[{"delta":{"content"`)).toBe("");
    expect(push(`:"`)).toBe(`data: {${head},"choices":[{"delta":{"content":"`);
  });

  it("lose the report, but not the event, when it is larger than 256 KiB", () => {
    const event = (size: number) => {
      const text = (id: string) => `data: {"id":"${id}",${params(64)}}\n\n`;
      return text("x".repeat(size - text("").length));
    };
    const open = () => openAnswer({ place: "kv_transfer_params", form: "events", exposeKv: false });
    const limit = 256 * 1024;
    const left = (size: number, cuts: readonly number[]) =>
      readAnswer(open(), encoder.encode(event(size)), cuts).bytes.length;
    const removed = `,${params(64)}`.length;
    for (const cuts of [[], [100, 1000, limit - 1], [limit], [limit + 1]]) {
      expect(left(limit, cuts)).toBe(0);
      expect(left(limit + 1, cuts)).toBe(limit + 1 - removed);
    }
  });
});

describe("a stream that is no answer", () => {
  const event = `data: {${meta(0)}}\n\n`;

  it("is one without [DONE], or with something behind it", () => {
    expect(read(event + DONE).answer).toBeDefined();
    expect(read(`${event + DONE}: bye\n\n`).answer).toBeDefined();
    expect(read(event).answer).toBeUndefined();
    expect(read(event + DONE + event).answer).toBeUndefined();
    expect(read(`${event}data: [DONE\n\n`).answer).toBeUndefined();
    expect(read(`${event}data: [DONE]x\n\n`).answer).toBeUndefined();
    expect(read(`${event}data: [DO\ndata:NE]\n\n`).answer).toBeUndefined();
    expect(read(`${event}data: "[DONE]"\n\n`).answer).toBeUndefined();
  });

  it("is one that the engine gave up", () => {
    const end = (type: string) =>
      `data: {"meta_info":{"prompt_tokens":1,"finish_reason":{"type":"${type}"}}}\n\n${DONE}`;
    expect(read(event + end("length")).answer).toMatchObject({ promptTokens: 1 });
    expect(read(event + end("abort"))).toEqual({ text: event + end("abort"), answer: undefined });
  });

  it("is one with an error in any event", () => {
    const error = `data: {"error":{"message":"x"}}\n\n`;
    expect(read(error + event + DONE)).toEqual({ text: error + event + DONE, answer: undefined });
    expect(read(event + error + DONE, "kv_transfer_params").answer).toBeUndefined();
  });

  it("is one with data that is no JSON object, after which the next event is read again", () => {
    const removable = `data: {"session_params":1}\n\n`;
    for (const data of ["{", `{"a":1`, "[]", "", "1", `{"a":1}x`, `{"a":"x`]) {
      expect(read(`data: ${data}\n\n${removable}${DONE}`)).toEqual({
        text: `data: ${data}\n\ndata: {}\n\n${DONE}`,
        answer: undefined,
      });
    }
  });
});
