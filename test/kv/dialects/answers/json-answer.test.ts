import { describe, expect, it } from "vitest";
import { openAnswer, type ReportPlace } from "../../../../src/kv/dialects/answers/open-answer.ts";
import { everyByte, readAnswer } from "../../../support/answer-reading.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function read(text: string, place: ReportPlace = "session_params", exposeKv = false) {
  const bytes = encoder.encode(text);
  const whole = readAnswer(openAnswer({ place, form: "json", exposeKv }), bytes);
  const byByte = readAnswer(openAnswer({ place, form: "json", exposeKv }), bytes, everyByte(bytes));
  expect(byByte).toEqual(whole);
  return { text: decoder.decode(whole.bytes), answer: whole.answer };
}

const segment = `{"token_start":64,"token_length":128,"kv_uri":"file:///a/1","kv_start":4096,"kv_length":8192}`;
const segments = [
  { tokenStart: 64, tokenLength: 128, kvUri: "file:///a/1", kvStart: 4096, kvLength: 8192 },
];
const meta = `"meta_info":{"id":"r","prompt_tokens":100,"cached_tokens":64,"completion_tokens":3,"finish_reason":{"type":"stop"}}`;
const counts = { promptTokens: 100, cachedTokens: 64, completionTokens: 3 };

describe("an answer of /generate", () => {
  it("loses its session_params and tells what was in them", () => {
    const text = `{"text":"hi","output_ids":[5,6,7],${meta},"session_params":{"id":"x","fresh_kv_cache":[${segment}],"rid":null}}`;
    expect(read(text)).toEqual({
      text: `{"text":"hi","output_ids":[5,6,7],${meta}}`,
      answer: { ...counts, outputIds: [5, 6, 7], segments },
    });
  });

  it("loses its kvcache_params in the other dialect, and keeps session_params there", () => {
    const text = `{"kvcache_params":{"fresh_kvcache":[${segment}]},"session_params":{"id":"own"},${meta}}`;
    expect(read(text, "kvcache_params")).toEqual({
      text: `{"session_params":{"id":"own"},${meta}}`,
      answer: { ...counts, outputIds: undefined, segments },
    });
  });

  it("keeps them where they are exposed, and is read all the same", () => {
    const text = `{"session_params":{"fresh_kv_cache":[${segment}]},${meta}}`;
    const result = read(text, "session_params", true);
    expect(result.text).toBe(text);
    expect(result.answer?.segments).toEqual(segments);
  });
});

describe("an answer of a chat", () => {
  const usage = `"usage":{"prompt_tokens":100,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":64}}`;

  it("loses kv_transfer_params with the report that was all of it", () => {
    const text = `{"choices":[],"kv_transfer_params":{"kvcache_params":{"fresh_kvcache":[${segment}]}},${usage}}`;
    expect(read(text, "kv_transfer_params")).toEqual({
      text: `{"choices":[],${usage}}`,
      answer: { ...counts, outputIds: undefined, segments },
    });
  });

  it("keeps what else is in kv_transfer_params", () => {
    const text = `{"kv_transfer_params":{"a":1,"kvcache_params":{"fresh_kvcache":[]},"b":[{}]},${usage}}`;
    expect(read(text, "kv_transfer_params").text).toBe(
      `{"kv_transfer_params":{"a":1,"b":[{}]},${usage}}`,
    );
  });

  it("has no cached tokens where the engine does not count them", () => {
    const text = `{"usage":{"prompt_tokens":100,"completion_tokens":3,"prompt_tokens_details":null}}`;
    expect(read(text, "kv_transfer_params").answer).toMatchObject({ cachedTokens: undefined });
  });
});

describe("the bytes around a removed member", () => {
  it.each([
    [`{"session_params":{}}`, `{}`],
    [` { "session_params" : { } } `, ` {} `],
    [`{"session_params":1,"a":2}`, `{"a":2}`],
    [`{ "session_params":1 , "a":2 }`, `{ "a":2 }`],
    [`{"a":1,"session_params":2}`, `{"a":1}`],
    [`{"a":1 , "session_params":2 }`, `{"a":1 }`],
    [`{"a":1,"session_params":2,"b":3}`, `{"a":1,"b":3}`],
    [`{"session_params":1,"session_params":2,"a":3,"session_params":4}`, `{"a":3}`],
    [`{"session\\u005fparams":"]}\\"","a":"\\\\"}`, `{"a":"\\\\"}`],
    [`{"a":{"session_params":1},"b":[{"session_params":2}]}`, undefined],
    [`{"session_paramss":1,"session_param":2,"Session_params":3}`, undefined],
    [`{"a" : "session_params" ,\n "":null}`, undefined],
    [`{"0123456789012345ams":1,"session_pa\\u007":2}`, undefined],
    [`{"a":-1.5e+300,"b":true,"c":NaN}`, undefined],
  ])("%j becomes %j", (text, left) => {
    expect(read(text).text).toBe(left ?? text);
  });

  it.each([
    [`{"kv_transfer_params":{"kvcache_params":1}}`, `{}`],
    [`{"a":1,"kv_transfer_params":{"kvcache_params":1},"b":2}`, `{"a":1,"b":2}`],
    [
      `{"kv_transfer_params":{"kvcache_params":1,"x":1},"b":2}`,
      `{"kv_transfer_params":{"x":1},"b":2}`,
    ],
    [
      `{"a":1, "kv_transfer_params": { "kvcache_params":1, "x":1}}`,
      `{"a":1, "kv_transfer_params": { "x":1}}`,
    ],
    [`{"kv_transfer_params":{"kvcache_params":1},"kv_transfer_params":{"kvcache_params":1}}`, `{}`],
    [`{"kv_transfer_params":{},"b":2}`, undefined],
    [`{"kv_transfer_params":null,"kvcache_params":1}`, undefined],
    [`{"kv_transfer_params":[{"kvcache_params":1}]}`, undefined],
  ])("in a chat %j becomes %j", (text, left) => {
    expect(read(text, "kv_transfer_params").text).toBe(left ?? text);
  });
});

describe("what is no answer", () => {
  const good = `{${meta},"session_params":{"fresh_kv_cache":[]}}`;

  it("is one that ends too early", () => {
    expect(read(good).answer).toEqual({ ...counts, outputIds: undefined, segments: [] });
    for (let size = 0; size < good.length; size++) {
      expect(read(good.slice(0, size)).answer).toBeUndefined();
    }
  });

  it("is one with something behind it", () => {
    expect(read(`${good}\n `).answer).toBeDefined();
    expect(read(`{"a":1}{"b":2}`)).toEqual({ text: `{"a":1}{"b":2}`, answer: undefined });
    expect(read(`${good}x`)).toEqual({ text: `{${meta}}x`, answer: undefined });
  });

  it.each([
    `[${good}]`,
    `"text"`,
    `{"a" 1}`,
    `{"a":1 "b":2}`,
    `{,}`,
    `{"a":1,}`,
    `{"a":}`,
    `{"a":1]`,
    "<html>",
    "\ufeff{}",
    "",
  ])("is %j, which goes on as it is", (text) => {
    expect(read(text)).toEqual({ text, answer: undefined });
  });

  it("keeps every byte from where it is no JSON, with the comma that was held", () => {
    expect(read(`{"session_params":1,"a":2,"session_params" 5,"b":[`).text).toBe(
      `{"a":2,"session_params" 5,"b":[`,
    );
    expect(read(`{"a":1,"session_params":{"fresh_kv_cache" 5}}`).text).toBe(`{"a":15}}`);
  });

  it("was given up by the engine, which counts the prompt of another request then", () => {
    const givenUp = meta.replace(`"stop"`, `"abort","message":"too long","status_code":400`);
    expect(read(`{${givenUp}}`).answer).toBeUndefined();
    expect(read(`{${meta.replace(`{"type":"stop"}`, "null")}}`).answer).toMatchObject(counts);
  });

  it("is an error, but not the lack of one", () => {
    expect(read(`{"error":{"message":"x"},${meta}}`).answer).toBeUndefined();
    expect(read(`{"error":null,${meta}}`).answer).toMatchObject(counts);
  });

  it("is garbage in place of segments", () => {
    const broken = [
      `{}`,
      `"x"`,
      `[null]`,
      `[${segment.replace("64", "-1")}]`,
      `[${segment.replace("128", "0")}]`,
      `[${segment.replace("128", "1.5")}]`,
      `[${segment.replace(`"file:///a/1"`, "7")}]`,
      `[${segment.replace("file:///a/1", "u".repeat(4097))}]`,
      `[${segment.replace("4096", "1e300")}]`,
      `[${segment.replace("8192", `"8192"`)}]`,
      `[${segment},]`,
    ];
    for (const list of broken) {
      expect(read(`{"session_params":{"fresh_kv_cache":${list}}}`)).toEqual({
        text: "{}",
        answer: undefined,
      });
    }
  });

  it("is one with more than 64 segments", () => {
    const list = (count: number) => Array.from({ length: count }, () => segment).join(",");
    const answer = (count: number) =>
      read(`{"session_params":{"fresh_kv_cache":[${list(count)}]}}`).answer;
    expect(answer(64)?.segments).toHaveLength(64);
    expect(answer(65)).toBeUndefined();
  });

  it("is a report too large to be kept, which is removed all the same", () => {
    const answer = (size: number) => {
      const space = " ".repeat(size - 2);
      const text = encoder.encode(`{"session_params":{"fresh_kv_cache":[${space}]}}`);
      return readAnswer(
        openAnswer({ place: "session_params", form: "json", exposeKv: false }),
        text,
      );
    };
    const limit = 256 * 1024;
    expect(answer(limit).answer?.segments).toEqual([]);
    expect(answer(limit + 1)).toEqual({ bytes: Buffer.from("{}"), answer: undefined });
  });

  it("is a list of ids too large to be kept", () => {
    const answer = (size: number) => {
      const text = encoder.encode(`{"output_ids":[7${" ".repeat(size - 3)}]}`);
      const reader = openAnswer({ place: "session_params", form: "json", exposeKv: false });
      return readAnswer(reader, text).answer;
    };
    expect(answer(1024 * 1024)).toBeDefined();
    expect(answer(1024 * 1024 + 1)).toBeUndefined();
  });
});

describe("the version of the weights", () => {
  const generated = (version: string) => read(`{"meta_info":{"weight_version":${version}}}`).answer;
  const chat = (metadata: string) =>
    read(`{"choices":[{}],"metadata":${metadata}}`, "kv_transfer_params");

  it("is told as it is, by both kinds of answers", () => {
    expect(generated('"w\\u0032"')?.weightVersion).toBe("w2");
    expect(generated("7")?.weightVersion).toBe(7);
    expect(generated("null")?.weightVersion).toBeNull();
    expect(read(`{${meta}}`).answer?.weightVersion).toBeUndefined();
    const text = `{"choices":[{}],"metadata":{"weight_version":"w2"}}`;
    expect(chat('{"weight_version":"w2"}')).toMatchObject({
      text,
      answer: { weightVersion: "w2" },
    });
    expect(chat("null").answer?.weightVersion).toBeUndefined();
  });

  it("is no answer where it is longer than any", () => {
    expect(generated(`"${"w".repeat(2_046)}"`)).toBeDefined();
    expect(generated(`"${"w".repeat(2_047)}"`)).toBeUndefined();
  });
});

describe("what is believed of an answer", () => {
  it("is a whole count and nothing like one", () => {
    const prompt = (value: string) => read(`{"meta_info":{"prompt_tokens":${value}}}`).answer;
    expect(prompt("9007199254740991")?.promptTokens).toBe(2 ** 53 - 1);
    const garbage = [
      "9007199254740992",
      "-1",
      "1.0",
      "1e3",
      `"5"`,
      "null",
      "[5]",
      "{}",
      "007",
      "NaN",
    ];
    for (const value of garbage) expect(prompt(value)?.promptTokens).toBeUndefined();
  });

  it("is a list of ids of 32 bits, as many as the engine counts", () => {
    const ids = (list: string, count: number) =>
      read(`{"output_ids":${list},"meta_info":{"completion_tokens":${count}}}`).answer?.outputIds;
    expect(ids("[ 0, 4294967295 ,7]", 3)).toEqual([0, 4294967295, 7]);
    expect(ids("[]", 0)).toEqual([]);
    expect(ids("[ ]", 0)).toEqual([]);
    expect(ids("[1,2]", 3)).toBeUndefined();
    const garbage = [
      "[4294967296]",
      "[-1]",
      "[1.5]",
      "[,]",
      "[1,]",
      "[1 2]",
      "5",
      `"[1]"`,
      "[[1]]",
      "null",
    ];
    for (const list of garbage) expect(ids(list, 1)).toBeUndefined();
  });

  it("is no report where the engine repeats the reservation, without a length in bytes", () => {
    const reservation = segment.replace("8192", "null");
    const report = `{"session_params":{"fresh_kv_cache":[${segment},${reservation}]}}`;
    expect(read(report).answer?.segments).toEqual([]);
  });

  it("is a segment without a word of its length in bytes", () => {
    const report = `{"session_params":{"fresh_kv_cache":[${segment.replace(`,"kv_length":8192`, "")}]}}`;
    expect(read(report).answer?.segments).toEqual([{ ...segments[0], kvLength: undefined }]);
  });

  it("is no segment where there is no report, or a report of null", () => {
    expect(read(`{"session_params":{"fresh_kv_cache":null}}`).answer?.segments).toEqual([]);
    expect(read(`{"session_params":null}`).answer?.segments).toEqual([]);
    expect(read(`{}`).answer?.segments).toEqual([]);
  });
});
