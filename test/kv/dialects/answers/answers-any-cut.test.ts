import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openAnswer, type ReportPlace } from "../../../../src/kv/dialects/answers/open-answer.ts";
import type { AnswerForm } from "../../../../src/kv/dialects/dialect.ts";
import { readAnswer } from "../../../support/answer-reading.ts";
import { filler, members, objectText, valueText } from "../../../support/answer-texts.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const cuts = fc.array(fc.nat(), { maxLength: 12 });
const place = fc.constantFrom<ReportPlace>(
  "session_params",
  "kvcache_params",
  "kv_transfer_params",
);
const form = fc.constantFrom<AnswerForm>("json", "events");
const shown = fc.record({ place, form, removesUsage: fc.boolean(), cuts });

interface Shown {
  readonly place: ReportPlace;
  readonly form: AnswerForm;
  readonly cuts: readonly number[];
}

function textLeft(text: string, shown: Shown): string {
  const reader = openAnswer({ ...shown, exposeKv: false });
  return decoder.decode(readAnswer(reader, encoder.encode(text), shown.cuts).bytes);
}

describe("a JSON answer, cut anywhere", () => {
  it("keeps each other member as it was written, in its order, and is JSON without the removed", () => {
    const claim = fc.property(members("session_params"), filler, cuts, (list, space, at) => {
      const text = objectText(list, space);
      const left = textLeft(text, { place: "session_params", form: "json", cuts: at });
      const wanted = JSON.parse(text) as Record<string, unknown>;
      delete wanted["session_params"];
      expect(JSON.parse(left)).toEqual(wanted);
      const kept = list.filter((member) => !member.isRemoved).map((member) => member.text);
      expect(rest(left, kept)).toMatch(/^\{[\s,]*\}$/);
    });
    fc.assert(claim, { numRuns: 400 });
  });

  it("loses the report of a chat, and the object that had nothing else", () => {
    const inner = members("kvcache_params");
    const claim = fc.property(
      inner,
      fc.tuple(valueText, filler),
      cuts,
      (list, [value, space], at) => {
        const params = `"kv_transfer_params":${space}${objectText(list, space)}`;
        const text = `{"a":${value}${space},${params}${space},${space}"b":${value}}`;
        const wanted = JSON.parse(text) as Record<string, Record<string, unknown>>;
        const isLost = list.length > 0 && list.every((member) => member.isRemoved);
        delete wanted["kv_transfer_params"]?.["kvcache_params"];
        if (isLost) delete wanted["kv_transfer_params"];
        const left = textLeft(text, { place: "kv_transfer_params", form: "json", cuts: at });
        expect(JSON.parse(left)).toEqual(wanted);
      },
    );
    fc.assert(claim, { numRuns: 400 });
  });

  it("is the same bytes where nothing is removed, or all is exposed", () => {
    const claim = fc.property(valueText, shown, (value, how) => {
      const json = `{"text":${value},"kv_transfer_params":{"x":${value}}}`;
      const text = how.form === "json" ? json : `data: ${json}\n\n: x\r\n\r\n`;
      expect(textLeft(text, how)).toBe(text);
      const exposed = `{"session_params":1,"kvcache_params":2,${json.slice(1)}`;
      const reader = openAnswer({ place: how.place, form: "json", exposeKv: true });
      expect(decoder.decode(readAnswer(reader, encoder.encode(exposed), how.cuts).bytes)).toBe(
        exposed,
      );
    });
    fc.assert(claim, { numRuns: 300 });
  });
});

/** What is left of a text when these parts are taken out, one behind the other. */
function rest(text: string, parts: readonly string[]): string {
  let left = "";
  let at = 0;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    expect(found).toBeGreaterThanOrEqual(at);
    left += text.slice(at, found);
    at = found + part.length;
  }
  return left + text.slice(at);
}

const segment = `{"token_start":0,"token_length":64,"kv_uri":"file:///a","kv_start":0,"kv_length":1}`;
const report = `{"fresh_kv_cache":[${segment}],"fresh_kvcache":[${segment}]}`;
const params = `"session_params":${report},"kvcache_params":${report},"kv_transfer_params":{"kvcache_params":${report}}`;
const json = fc.constantFrom(
  `{"choices":[],${params}}`,
  `{"choices":[{"text":"é😀"}],${params},"usage":{"prompt_tokens":5}}`,
  `{${params},"meta_info":{"prompt_tokens":12,"completion_tokens":2},"output_ids":[1, 2]}`,
  `{"text":"\\"\\\\","kv_transfer_params" : { "x":null , "kvcache_params":${report} } }`,
  `{"error":null,"a" 1`,
);
const REPORTS: Readonly<Record<ReportPlace, string>> = {
  session_params: "session_params",
  kvcache_params: "kvcache_params",
  kv_transfer_params: "kv_transfer_params.kvcache_params",
};
const end = fc.constantFrom("\n", "\r\n", "\r");
const line = fc.oneof(
  json.map((text) => `data: ${text}`),
  json.map((text) => `data:${text}`),
  fc.constantFrom(
    "",
    "",
    "",
    "data: [DONE]",
    ": ping",
    "id: 7",
    "data",
    "data:",
    "event: x",
    "data: ,",
    "data: 1",
  ),
);
const stream = fc
  .array(fc.tuple(line, end, fc.constantFrom("", "\n", "\r\n", "\r")), { maxLength: 8 })
  .map((lines) => lines.flat().join(""));

/** Some bytes of it written over, doubled or left out. */
function damaged(text: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(
    fc.nat(),
    fc.integer({ min: 0, max: 2 }),
    fc.uint8Array({ maxLength: 3 }),
  );
  return fc.tuple(text, fc.array(change, { maxLength: 3 })).map(([written, changes]) => {
    let bytes = Buffer.from(written);
    for (const [at, gone, put] of changes) {
      const from = at % (bytes.length + 1);
      bytes = Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + gone)]);
    }
    return new Uint8Array(bytes);
  });
}

describe("any bytes", () => {
  it("give the same bytes and the same answer in whatever pieces they come", () => {
    const bytes = damaged(fc.oneof(stream, stream, json));
    const claim = fc.property(bytes, shown, (input, how) => {
      const open = () => openAnswer({ ...how, exposeKv: false });
      expect(readAnswer(open(), input, how.cuts)).toEqual(readAnswer(open(), input));
    });
    fc.assert(claim, { numRuns: 1500 });
  });

  it("of whole events leave none with a member that is removed", () => {
    const event = fc.tuple(json, end).map(([text, eol]) => `data: ${text}${eol}${eol}`);
    const events = fc.array(event, { maxLength: 5 }).map((list) => list.join(""));
    const claim = fc.property(events, place, cuts, (text, where, at) => {
      const left = textLeft(text, { place: where, form: "events", cuts: at });
      const rows = left.split(/[\r\n]+/).filter((row) => /^data:.*\}$/.test(row));
      for (const row of rows) {
        expect(JSON.parse(row.slice(5))).not.toHaveProperty(REPORTS[where]);
      }
      expect(rows.length).toBeLessThanOrEqual(text.length);
    });
    fc.assert(claim, { numRuns: 300 });
  });
});
