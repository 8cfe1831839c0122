import { describe, expect, it } from "vitest";
import { openSlotAnswer } from "../../../../src/kv/dialects/answers/slot-answer.ts";
import { everyByte, readAnswer } from "../../../support/answer-reading.ts";
import { WHOLE, type WholeAnswer } from "../../../support/slot-answers.ts";

const encoder = new TextEncoder();

const COUNTS = { promptTokens: 6, cachedTokens: 5, completionTokens: 2 };

const FORMS = [
  ["completion", "json", "event"],
  ["completionEvents", "events", "event"],
  ["timedCompletionEvents", "events", "event"],
  ["text", "json", "done"],
  ["textEvents", "events", "done"],
  ["chat", "json", "done"],
  ["chatEvents", "events", "done"],
  ["chatUsageEvents", "events", "done"],
] as const satisfies readonly (readonly [WholeAnswer, "json" | "events", "event" | "done"])[];

function answerTo(text: string, form: "json" | "events", end: "event" | "done") {
  return readAnswer(openSlotAnswer({ form, end }), encoder.encode(text)).answer;
}

describe.each(FORMS)("the answer %s", (name, form, end) => {
  const bytes = encoder.encode(WHOLE[name]);

  it("tells what was reused, computed and generated", () => {
    expect(answerTo(WHOLE[name], form, end)).toEqual({ ...COUNTS, segments: [] });
  });

  it("goes on as it comes, to the byte, wherever it is cut", () => {
    for (const cut of everyByte(bytes)) {
      const reader = openSlotAnswer({ form, end });
      const [head, tail] = [bytes.slice(0, cut), bytes.slice(cut)];

      expect(Buffer.from(reader.push(head)).equals(head)).toBe(true);
      expect(Buffer.from(reader.push(tail)).equals(tail)).toBe(true);
      const { rest, answer } = reader.finish();
      expect([cut, rest.length, answer]).toMatchObject([cut, 0, COUNTS]);
    }
  });

  it("is the same byte by byte", () => {
    const reader = openSlotAnswer({ form, end });
    const byByte = readAnswer(reader, bytes, everyByte(bytes));

    expect(byByte).toMatchObject({ bytes: Buffer.from(bytes), answer: COUNTS });
  });

  it("is none as long as it is not whole", () => {
    const isWholeAt = bytes.length - (form === "events" ? 2 : 0); // the empty line behind the last event
    for (let length = 0; length < isWholeAt; length++) {
      const { answer } = readAnswer(openSlotAnswer({ form, end }), bytes.slice(0, length));

      expect([length, answer]).toEqual([length, undefined]);
    }
  });
});

describe("an answer that says nothing of its slot", () => {
  it.each([
    ["the server failed", `{"error":{"code":500,"message":"Compute error."}}`],
    ["it is a list", `[{"timings":{"cache_n":5,"prompt_n":1,"predicted_n":2}}]`],
    ["something comes behind it", `${WHOLE.completion}{}`],
  ])("is none: %s", (_claim, text) => {
    expect(answerTo(text, "json", "event")).toBeUndefined();
  });

  it.each([
    ["no end", WHOLE.completionEvents.replace('"stop":true', '"stop":false'), "event"],
    ["an event behind the end", `${WHOLE.completionEvents}data: {"stop":false}\n\n`, "event"],
    ["one that says nothing of an end", `${WHOLE.completionEvents}data: {}\n\n`, "event"],
    ["an error before it", `data: {"error":{"code":500}}\n\n${WHOLE.completionEvents}`, "event"],
    ["a broken event before it", `data: {"content":\n\n${WHOLE.completionEvents}`, "event"],
    ["no [DONE]", WHOLE.chatEvents.replace("data: [DONE]\n\n", ""), "done"],
    ["a stop of its own in place of it", `data: {"stop":true,"timings":{}}\n\n`, "done"],
    ["an error before it", `data: {"error":{"code":500}}\n\n${WHOLE.chatEvents}`, "done"],
  ] as const)("is a stream with %s", (_claim, text, end) => {
    expect(answerTo(text, "events", end)).toBeUndefined();
  });
});

describe("the counts of an answer", () => {
  it("are told also where it ended because its slot was full", () => {
    const full = (text: string) => text.replace('"truncated":false', '"truncated":true');

    expect(answerTo(full(WHOLE.completion), "json", "event")).toMatchObject(COUNTS);
    expect(answerTo(full(WHOLE.completionEvents), "events", "event")).toMatchObject(COUNTS);
  });

  it("are of the usage where no timings are told", () => {
    const usage = `"usage":{"prompt_tokens":6,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":5}}`;

    expect(answerTo(`{${usage}}`, "json", "done")).toMatchObject(COUNTS);
    expect(answerTo(`{${usage},"timings":{"prompt_n":1}}`, "json", "done")).toMatchObject(COUNTS);
  });

  it("of a stream stay known behind the event that told them", () => {
    const text = WHOLE.chatEvents.replace("data: [DONE]", `data: {"choices":[]}\n\ndata: [DONE]`);

    expect(answerTo(text, "events", "done")).toMatchObject(COUNTS);
  });

  it.each([
    ["are missing", "{}"],
    ["are negative", `{"timings":{"cache_n":-1,"prompt_n":1,"predicted_n":-2}}`],
    ["are fractions", `{"timings":{"cache_n":5.5,"prompt_n":1,"predicted_n":2e0}}`],
    ["are beyond whole numbers", `{"timings":{"cache_n":9007199254740992,"prompt_n":1}}`],
    ["are texts", `{"timings":{"cache_n":"5","prompt_n":"1","predicted_n":"2"}}`],
    ["are a list", `{"timings":[5,1,2]}`],
    ["are too long", `{"timings":{"cache_n":${"5".repeat(40)},"prompt_n":1}}`],
  ])("are not known where they %s", (_claim, text) => {
    const answer = answerTo(text, "json", "event");

    expect(answer).toBeDefined();
    expect(answer?.promptTokens).toBeUndefined();
    expect(answer?.completionTokens).toBeUndefined();
  });
});

describe("what a client gets of a server with slots", () => {
  it("is every byte of an error, which says nothing of a slot", () => {
    const text = WHOLE.chatEvents;
    const reader = openSlotAnswer({ form: "error", end: "done" });

    expect(readAnswer(reader, encoder.encode(text))).toEqual({
      bytes: Buffer.from(text),
      answer: undefined,
    });
  });

  it("is every byte of white space before a member, however much", () => {
    const text = `{"a":1,${" ".repeat(5000)}"timings" : {"cache_n":5,${"\n".repeat(5000)}"prompt_n":1}}`;
    const { bytes, answer } = readAnswer(
      openSlotAnswer({ form: "json", end: "done" }),
      encoder.encode(text),
    );

    expect(bytes.toString()).toBe(text);
    expect(answer?.promptTokens).toBe(6);
  });
});
