import { Tokenizer } from "@huggingface/tokenizers";
import { expect, it } from "vitest";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { openTokens } from "../../support/prompt-tokens.ts";
import { CHAT_TEMPLATE, smallTokenizer } from "../../support/small-tokenizer.ts";

const WORDS = smallTokenizer({
  pre_tokenizer: { type: "ByteLevel", use_regex: true, add_prefix_space: false },
});

it("the event loop turns while a text of a megabyte gets the ids of the plain tokenizer", async () => {
  const text = "hello world. ".repeat(80_000);
  const tokens = await openTokens({ tokenizer: WORDS });
  let turns = 0;
  let isDone = false;
  const encoding = tokens.encode({ kind: "text", text }).finally(() => (isDone = true));
  while (!isDone) {
    await settle();
    turns++;
  }
  const plain = new Tokenizer(WORDS, {}).encode(text).ids;
  expect(await encoding).toEqual({ kind: "encoded", ids: new Uint32Array(plain) });
  expect(turns).toBeGreaterThan(100); // else once for each slice that is scanned: 8 times
}, 30_000);

it("a chat of many messages is rendered by a worker to the same ids", async () => {
  const tokens = await openTokens({ tokenizer: WORDS, template: CHAT_TEMPLATE });
  const messages = Array.from({ length: 2_000 }, () => ({ role: "user", content: "hello" }));
  const chat = { messages, tools: undefined, templateKwargs: {}, continueFinalMessage: false };
  const text = `${"<|im_start|>user\nhello<|im_end|>\n".repeat(2_000)}<|im_start|>assistant\n`;
  const { ids } = new Tokenizer(WORDS, {}).encode(text, { add_special_tokens: false });
  expect(await tokens.encode({ kind: "chat", chat })).toEqual({
    kind: "encoded",
    ids: new Uint32Array(ids),
  });
});

it("a text that a worker hangs at is given up, and the next one is encoded", async () => {
  const scheduler = new FakeClock();
  const lost: unknown[] = [];
  const tokenizer = smallTokenizer({
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: "(a+)+b" },
      behavior: "Isolated",
      invert: false,
    },
  });
  const tokens = await openTokens(
    { tokenizer },
    {
      scheduler,
      workerLost: (reason) => lost.push(reason),
      limits: { workers: 1, answerMs: 1_000, workerRunMs: 1_000 },
    },
  );
  const hanging = tokens.encode({ kind: "text", text: "a".repeat(5_000) });
  await settle();
  await scheduler.advance(1_000);
  expect(await hanging).toEqual({ kind: "unencoded", reason: "tokens_busy" });
  expect(lost).toHaveLength(1);
  const next = await tokens.encode({ kind: "text", text: "x".repeat(5_000) });
  expect(next.kind).toBe("encoded");
});
