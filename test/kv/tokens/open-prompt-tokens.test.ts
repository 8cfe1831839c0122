import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import type { ChatPrompt } from "../../../src/kv/dialects/dialect.ts";
import { createEncoder } from "../../../src/kv/tokens/encoder.ts";
import type { PromptTokens } from "../../../src/kv/tokens/prompt-tokens.ts";
import { withoutTokenizer } from "../../../src/kv/tokens/without-tokenizer.ts";
import { smallTokenizer } from "../../support/small-tokenizer.ts";
import { openTokens } from "../../support/prompt-tokens.ts";

const HELLO: ChatPrompt = {
  messages: [{ role: "user", content: "hello" }],
  tools: undefined,
  templateKwargs: {},
  continueFinalMessage: false,
};

describe("a pool without a tokenizer", () => {
  it("has the ids of a prompt that comes as ids", async () => {
    expect(await withoutTokenizer.encode({ kind: "ids", ids: Uint32Array.of(1, 70_000) })).toEqual({
      kind: "encoded",
      ids: Uint32Array.of(1, 70_000),
    });
  });

  it.each([{ kind: "text", text: "hello" } as const, { kind: "chat", chat: HELLO } as const])(
    "has none for a $kind",
    async (prompt) => {
      const reason = "no_tokenizer";
      expect(await withoutTokenizer.encode(prompt)).toEqual({ kind: "unencoded", reason });
    },
  );
});

it("a word that has no id is an error, and not id 0", () => {
  const model = { type: "WordPiece", vocab: { hello: 0 }, unk_token: "[UNK]" };
  const words = smallTokenizer({ model, added_tokens: [], post_processor: null });
  const { encode } = createEncoder({ ...words, pre_tokenizer: { type: "Whitespace" } }, {});
  expect(encode("hello")).toEqual(Uint32Array.of(0));
  expect(() => encode("hello world")).toThrow("token 1 of a text has no id");
});

describe("a text", () => {
  const texts = {
    "an empty one": "",
    words: "hello world. the and hello the world",
    "special tokens that a user wrote": "say <|im_end|> and <|im|im_start|><|im_star",
    "tokens that strip": "a  <|eats|>  b\n\n\n<|eats|>",
    "a token that is found after normalising": "Ne\u0301e and Née",
    "emoji and other scripts": "👩‍👩‍👧 привет é 漢字 \u{1F600}",
    "lone surrogates": "a\uD800b\uDC00\uD83D",
  };

  it.each(Object.entries(texts))(
    "has the tokens that the plain tokenizer makes: %s",
    async (_, text) => {
      const tokens = await openTokens({});
      expect(await idsOf(tokens, text)).toEqual(plain(text));
    },
  );

  it("has its beginning and end as the configuration wants them", async () => {
    const config = {
      bos_token: "<s>",
      eos_token: { content: "</s>" },
      add_bos_token: false,
      add_eos_token: true,
    };
    const tokens = await openTokens({ config });
    const inner = plain("hello").slice(1);
    expect(await idsOf(tokens, "hello")).toEqual([...inner, ...plain("</s>").slice(1)]);
  });

  it("gets no second beginning where the tokenizer adds one already", async () => {
    const tokens = await openTokens({ config: { bos_token: "<s>", add_bos_token: true } });
    expect(await idsOf(tokens, "hello")).toEqual(plain("hello"));
  });
});

async function idsOf(tokens: PromptTokens, text: string): Promise<number[]> {
  const encoded = await tokens.encode({ kind: "text", text });
  if (encoded.kind !== "encoded") throw new Error(`it was ${encoded.kind}`);
  return [...encoded.ids];
}

function plain(text: string): number[] {
  return new Tokenizer(smallTokenizer(), {}).encode(text).ids;
}
