import { describe, expect, it } from "vitest";
import { EngineTokenizer } from "../../../../demo/engine/tokenizer/engine-tokenizer.ts";
import { SPECIAL_TOKENS, VOCABULARY } from "../../../../demo/engine/tokenizer/vocabulary.ts";
import { seededRandom } from "../../../support/random.ts";

const { eos, imEnd, bos, imStart } = SPECIAL_TOKENS;
const tokenizer = new EngineTokenizer();
const encode = (text: string) => tokenizer.encodePlain(text);

describe("the demo's tokenizer", () => {
  it("cuts a text otherwise when another is put after it", () => {
    const prompt = encode("The boat is in the");
    const whole = encode("The boat is in the harbour");
    expect(prompt.slice(0, 3)).toEqual(whole.slice(0, 3));
    expect([prompt.length, encode(" harbour").length, whole.length]).toEqual([6, 2, 5]);
  });

  it("merges across word ends and spaces", () => {
    expect(encode("in the ")).toHaveLength(1);
    expect(encode(", and ti")).toHaveLength(1);
  });

  it("gives back any text, byte for byte", () => {
    for (const text of ["The boat.\nIt is ", "\u0000\t\r\n  ", "naïve 船 🚢", "", "<|im|>"]) {
      expect(tokenizer.decode(encode(text))).toBe(text);
    }
  });

  it("puts the first mark before a text, and no last one after it", () => {
    expect(tokenizer.encodeText("boat")).toEqual([bos.id, ...encode("boat")]);
  });

  it("reads marks in a text as marks, and leaves them out of an answer", () => {
    const ids = encode("a<|im_end|>b<|eos|>");
    expect(ids).toEqual([...encode("a"), imEnd.id, ...encode("b"), eos.id]);
    expect(tokenizer.decode(ids)).toBe("ab");
  });

  it("finds any text of canonical tokens to be those tokens", () => {
    const random = seededRandom(3);
    for (let round = 0; round < 200; round++) {
      const ids = Array.from(
        { length: 40 },
        () => 2 + Math.floor(random() * (VOCABULARY.canonicalEnd - 2)),
      );
      expect(encode(tokenizer.decode(ids))).toEqual(ids);
    }
  });

  it("cuts one in thirty neighbours otherwise in a text of freely chosen tokens", () => {
    const random = seededRandom(4);
    const id = () => 2 + Math.floor(random() * (VOCABULARY.textEnd - 2));
    const pairs = Array.from({ length: 3000 }, () => [id(), id()]);
    const others = pairs.filter((ids) => String(encode(tokenizer.decode(ids))) !== String(ids));
    expect(others.length).toBeGreaterThan(3000 / 40);
    expect(others.length).toBeLessThan(3000 / 20);
  });

  it("takes time in proportion to a long text of sentences", () => {
    const ids = encode("The boat is in the harbour, and the line holds. ".repeat(2000));
    expect(ids).toHaveLength(26_000);
  });
});

describe("a chat", () => {
  const user = { role: "user", content: "Tie the boat." };
  const opening = [bos.id, imStart.id, ...encode("user\nTie the boat."), imEnd.id];
  const assistant = [imStart.id, ...encode("assistant\n")];

  it("is its messages between marks, and the opening of the answer", () => {
    expect(tokenizer.encodeChat({ messages: [user] })).toEqual([
      ...opening,
      ...encode("\n"),
      ...assistant,
    ]);
  });

  it("has parts of text as one text, and a missing content as none", () => {
    const parts = [
      { type: "text", text: "Tie the" },
      { type: "text", text: "boat." },
    ] as const;
    expect(tokenizer.encodeChat({ messages: [{ role: "user", content: parts }] })).toEqual(
      tokenizer.encodeChat({ messages: [user] }),
    );
    expect(tokenizer.encodeChat({ messages: [{ role: "user", content: null }] })).toEqual(
      tokenizer.encodeChat({ messages: [{ role: "user", content: "" }] }),
    );
  });

  it("goes on in the final message where that is asked for", () => {
    const messages = [user, { role: "assistant", content: "The line" }];
    expect(tokenizer.encodeChat({ messages, continueFinalMessage: true })).toEqual([
      ...tokenizer.encodeChat({ messages: [user] }),
      ...encode("The line"),
    ]);
  });

  it("is another prompt with tools, and with an argument of the template", () => {
    const plain = tokenizer.encodeChat({ messages: [user] });
    const tools = [{ type: "function", function: { name: "tie" } }];
    const thinking = tokenizer.encodeChat({
      messages: [user],
      templateKwargs: { enable_thinking: true },
    });
    const named = tokenizer.encodeChat({ messages: [user], tools });
    expect(named).not.toEqual(plain);
    const dumped = `[{"type": "function", "function": {"description": null, "name": "tie", "parameters": null, "strict": false}, "defer_loading": null}]`;
    expect(tokenizer.decode(named)).toContain(dumped);
    expect(thinking.slice(0, plain.length - 1)).toEqual(plain.slice(0, -1));
    expect(tokenizer.decode(thinking)).toBe(`${tokenizer.decode(plain)}think: `);
  });
});
