import { describe, expect, it } from "vitest";
import { openAnswer, type ReportPlace } from "../../../../src/kv/dialects/answers/open-answer.ts";
import type { AnswerForm } from "../../../../src/kv/dialects/dialect.ts";
import { readAnswer } from "../../../support/answer-reading.ts";
import { countedBytes } from "../../../support/counted-bytes.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function open(form: AnswerForm, place: ReportPlace = "session_params") {
  return openAnswer({ place, form, exposeKv: false });
}

function left(text: string, chunkBytes: number, place: ReportPlace = "session_params"): string {
  const bytes = encoder.encode(text);
  const cuts = Array.from(
    { length: Math.ceil(bytes.length / chunkBytes) },
    (_, i) => i * chunkBytes,
  );
  return decoder.decode(readAnswer(open("json", place), bytes, cuts).bytes);
}

describe("a JSON answer that means harm", () => {
  it("may be as deep as it likes", () => {
    const deep = "[".repeat(1_000_000) + "]".repeat(1_000_000);
    expect(left(`{"a":${deep},"session_params":${deep},"b":1}`, 65_536)).toBe(
      `{"a":${deep},"b":1}`,
    );
    const objects = `${`{"session_params":`.repeat(100_000)}1${"}".repeat(100_000)}`;
    expect(left(`{"a":${objects},"session_params":${objects}}`, 1000)).toBe(`{"a":${objects}}`);
  });

  it("may have keys of any length, and of any spelling", () => {
    const key = "session_params".repeat(100_000);
    const text = `{"${key}":1,"${"\\u0073".repeat(100_000)}":2,"${"\\\\".repeat(100_000)}":3}`;
    expect(left(text, 4096)).toBe(text);
    expect(left(`{"${key}":1,"session_params":2,"b":3}`, 4096)).toBe(`{"${key}":1,"b":3}`);
    const escaped = Array.from(
      "session_params",
      (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`,
    );
    expect(left(`{"${escaped.join("")}":1,"a":2}`, 1)).toBe(`{"a":2}`);
  });

  it("may hold NUL and bytes that are no UTF-8, in values and in keys", () => {
    const bytes = Uint8Array.from(
      Buffer.from(`{"a\0\xff":"\xc3\0\xed\xa0","session_params":"\xf8\xff\0","\xff":1}`, "latin1"),
    );
    const wanted = Buffer.from(`{"a\0\xff":"\xc3\0\xed\xa0","\xff":1}`, "latin1");
    expect(Buffer.from(readAnswer(open("json"), bytes, [5, 6, 12, 40, 50]).bytes)).toEqual(wanted);
  });

  it("keeps 1,024 bytes of white space before a member, and any number of them elsewhere", () => {
    const space = (count: number) => " ".repeat(count);
    const before = (count: number) => `{"a":1,${space(count)}"b":2}`;
    expect(left(before(1023), 1)).toBe(before(1023)); // with the comma 1,024
    expect(left(before(1024), 100)).toBe(before(1023));
    expect(left(before(5_000_000), 65_536)).toBe(before(1023));
    const elsewhere = `{"a"${space(999)}:${space(90_000)}1${space(90_000)}}${space(90_000)}`;
    expect(left(elsewhere, 1000)).toBe(elsewhere);
  });

  it("is given up where lines of a stream part a member from its comma too far", () => {
    const event = (comments: number) =>
      `data: {"a":1,\n${": 34567\n".repeat(comments)}data: "session_params":2}\n\n`;
    const result = (comments: number) =>
      decoder.decode(readAnswer(open("events"), encoder.encode(event(comments)), [50, 999]).bytes);
    expect(result(1000)).toBe(`data: {"a":1}\n\n`);
    expect(result(1100)).toBe(event(1100));
  });
});

describe("a removed value", () => {
  it("may be written in any number of lines of a stream", () => {
    const text = `data: {"a":1,"session_params":[\n${"data: 0,\n".repeat(5000)}data: 0]}\n\n`;
    const result = readAnswer(open("events"), encoder.encode(text), [5000, 50_000]).bytes;
    expect(decoder.decode(result)).toBe(`data: {"a":1\n${"data:\n".repeat(5000)}data:}\n\n`);
  });
});

describe("what is held back", () => {
  const mostHeld = (text: string, form: AnswerForm, place: ReportPlace) => {
    const reader = open(form, place);
    const bytes = encoder.encode(text);
    const end = bytes.length - (bytes.length % 512);
    for (let at = 0; at < end; at += 512) reader.push(bytes.subarray(at, at + 512));
    return reader.finish().rest.length;
  };

  it.each([
    ["white space after a comma", `{"a":1,${" ".repeat(1_000_000)}`],
    ["white space in an empty object", `{${"\n".repeat(1_000_000)}`],
    [
      "white space in an object that may go",
      `{"kv_transfer_params"  :${" ".repeat(500_000)}{${" ".repeat(1_000_000)}`,
    ],
    ["a key without end", `{"a":1,"${"k".repeat(1_000_000)}`],
    ["escapes without end", `{"a":1,"${"\\u006b".repeat(200_000)}`],
    ["a value without end", `{"kv_transfer_params":{"x":"${"v".repeat(1_000_000)}`],
    [
      "a removed value without end",
      `{"kv_transfer_params":{"kvcache_params":"${"v".repeat(1_000_000)}`,
    ],
    ["empty objects without end", `{"kv_transfer_params":{},`.repeat(50_000)],
  ])("of JSON is a few bytes: %s", (_name, text) => {
    expect(mostHeld(text, "json", "kv_transfer_params")).toBeLessThanOrEqual(2048);
  });

  it.each([
    ["an event without end", `data: {"id":"${"i".repeat(1_000_000)}`],
    ["lines of an event", `id: 7\n`.repeat(200_000)],
    ["data without text", `data:\n`.repeat(200_000)],
    ["data of white space", `data:${" ".repeat(1_000_000)}`],
    ["idle members", `data: {${`"x":null,`.repeat(100_000)}`],
  ])("of an event that may go is no more than 256 KiB: %s", (_name, text) => {
    expect(mostHeld(text, "events", "kv_transfer_params")).toBeLessThanOrEqual(256 * 1024);
    expect(mostHeld(text, "events", "session_params")).toBeLessThanOrEqual(8192 + 512);
  });

  it("of other lines behind a comma is 8 KiB", () => {
    const text = `data: {"a":1,\n${": ping\n".repeat(100_000)}`;
    expect(mostHeld(text, "events", "session_params")).toBeLessThanOrEqual(8192 + 512);
  });
});

describe("the work", () => {
  const reads = (text: string, form: AnswerForm, place: ReportPlace) => {
    const { bytes, reads: count } = countedBytes(encoder.encode(text));
    const reader = open(form, place);
    reader.push(bytes);
    reader.finish();
    return count() / bytes.length;
  };
  const report = `{"fresh_kv_cache":[],"fresh_kvcache":[]}`;
  const params = `"session_params":${report},"kv_transfer_params":{"kvcache_params":${report}}`;

  it.each([
    ["a long text", `{"text":"${"plain \\n".repeat(3000)}",${params}}`],
    ["many members", `{${`"session_param":1,`.repeat(3000)}${params}}`],
    ["many removed members", `{${`${params},`.repeat(1000)}"a":1}`],
    ["many objects that may go", `{${`"kv_transfer_params":{},`.repeat(1000)}"a":1}`],
    ["backslashes", `{"a":"${"\\\\".repeat(10_000)}"}`],
    ["white space", `{"a":1,${" \n".repeat(10_000)}"b":2}`],
    ["brackets", `{"a":${"[{".repeat(10_000)}`],
  ])("is at most 8 looks at each byte, and one answer's in events: %s", (_name, text) => {
    for (const place of ["session_params", "kv_transfer_params"] as const) {
      expect(reads(text, "json", place)).toBeLessThan(8);
      expect(reads(`data: ${text}\n\n`, "events", place)).toBeLessThan(8);
    }
  });

  it.each([
    ["events", `data: {"text":"text so far",${params}}\n\n`],
    ["texts that do not end", `data: {"text":"x\n\n`],
    ["carriage returns", "\r"],
    ["empty data", "data:\n"],
    ["white space", "data:  \n"],
    ["extra events", `data: {"id":"x","choices":[],${params}}\r\n\r\n`],
    ["lines without a colon", "data\n"],
  ])("is at most 8 looks at each byte of many %s in one chunk", (_name, unit) => {
    const text = unit.repeat(Math.ceil(20_000 / unit.length));
    expect(reads(text, "events", "session_params")).toBeLessThan(8);
    expect(reads(text, "events", "kv_transfer_params")).toBeLessThan(8);
  });

  it("copies nothing of chunks of which nothing is removed or held", () => {
    const reader = open("events");
    const event = encoder.encode(`data: {"text":"${"so far ".repeat(5000)}","meta_info":{}}\n\n`);
    for (let i = 0; i < 3; i++) {
      const pushed = reader.push(event);
      expect(pushed.buffer).toBe(event.buffer);
      expect(pushed.length).toBe(event.length);
    }
  });
});
