/** Errors of engines, which may repeat the request that they refuse. */
import { describe, expect, it } from "vitest";
import { ERROR_LIMIT_BYTES } from "../../../../src/kv/dialects/answers/error-answer.ts";
import { openAnswer, type ReportPlace } from "../../../../src/kv/dialects/answers/open-answer.ts";
import { everyByte, readAnswer } from "../../../support/answer-reading.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const uri = "file:///kv/a?x=é";
const named = ["moorline-own", uri, `${uri}/b`];

function open(place: ReportPlace = "session_params", exposeKv = false) {
  return openAnswer({ place, form: "error", exposeKv, named });
}

function read(text: string, place?: ReportPlace) {
  const bytes = encoder.encode(text);
  const whole = readAnswer(open(place), bytes);
  expect(readAnswer(open(place), bytes, everyByte(bytes))).toEqual(whole);
  expect(whole.answer).toBeUndefined();
  return decoder.decode(whole.bytes);
}

const stored = `"stored_kv_cache":[{"kv_uri":"${uri}"}]`;

describe("an error of an engine", () => {
  it("loses what is the service's, however deep and however spelled", () => {
    const input = `{"text":"é","session_params":{"id":"moorline-own",${stored}}}`;
    const detail = `{"detail":[{"loc":["body"],"input":${input}},{"kvcache_params":1}]}\n`;
    expect(read(detail)).toBe(`{"detail":[{"loc":["body"],"input":{"text":"é"}},{}]}\n`);
    expect(read(String.raw`{"a":{"stored\u005fkv_cache":[1],"b":2}}`)).toBe(`{"a":{"b":2}}`);
    expect(read(`[{${stored}}]`)).toBe("[{}]");
  });

  it("loses the member of its dialect, and not another's", () => {
    const text = `{"kv_transfer_params":{"kvcache_params":{}},"session_params":{}}`;
    expect(read(text, "kv_transfer_params")).toBe(`{"session_params":{}}`);
    expect(read(text)).toBe(`{"kv_transfer_params":{}}`);
  });

  it("names none of ours in its words, the longest name first", () => {
    const text = `{"message":"no {'kv_uri': '${uri}/b'}, '${uri}', moorline-own, moorline-x"}`;
    const left = `{"message":"no {'kv_uri': '[removed]'}, '[removed]', [removed], moorline-x"}`;
    expect(read(text)).toBe(left);
    expect(read(`Bad ${uri}\n`)).toBe("Bad [removed]\n");
  });

  it.each(["", "Internal Server Error", "<html>é</html>", `{"error":{"code":400}}`, `{"a":1} \n`])(
    "is the same bytes where it has nothing of ours: %s",
    (text) => {
      expect(read(text)).toBe(text);
    },
  );

  it("that is one JSON text goes on as soon as it is whole, and nothing behind it does", () => {
    const reader = open();
    expect(reader.push(encoder.encode(`{"a":{}`))).toHaveLength(0);
    expect(decoder.decode(reader.push(encoder.encode(`,"b":1}`)))).toBe(`{"a":{},"b":1}`);
    expect(decoder.decode(reader.push(encoder.encode("\n")))).toBe("\n");
    expect(reader.push(encoder.encode(`{${stored}}`))).toHaveLength(0);
    expect(reader.finish().rest).toHaveLength(0);
  });

  it("that is very long is left out, and not one byte before that", () => {
    const text = (size: number) => "x".repeat(size);
    expect(read(text(10))).toHaveLength(10);
    const whole = encoder.encode(text(ERROR_LIMIT_BYTES));
    expect(readAnswer(open(), whole, [1000]).bytes).toHaveLength(ERROR_LIMIT_BYTES);
    const longer = encoder.encode(text(ERROR_LIMIT_BYTES + 1));
    expect(readAnswer(open(), longer, [1000]).bytes).toHaveLength(0);
  });

  it("is as it is where what is ours is exposed", () => {
    const text = `{"detail":[{${stored}}]}`;
    const { bytes } = readAnswer(open("session_params", true), encoder.encode(text), [9]);
    expect(decoder.decode(bytes)).toBe(text);
  });
});
