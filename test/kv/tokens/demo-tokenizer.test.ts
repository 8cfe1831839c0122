import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { EngineTokenizer } from "../../../demo/engine/tokenizer/engine-tokenizer.ts";
import { TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "../../../demo/engine/tokenizer/files.ts";
import { openTokensOf } from "../../support/prompt-tokens.ts";

const FILES = { file: TOKENIZER_FILE, config: TOKENIZER_CONFIG_FILE };
const CORPUS = readFileSync(
  new URL("../../../demo/engine/tokenizer/corpus.txt", import.meta.url),
  "utf8",
);

const piece = fc.oneof(
  fc.tuple(fc.nat(CORPUS.length), fc.nat(400)).map(([at, chars]) => CORPUS.slice(at, at + chars)),
  fc.constantFrom("<|im_end|>", "<|im_start|>user\n", "<|im_", "👩‍👧", "\uD83D", " ", "\n\n"),
  fc.string(),
);
const content = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(""));

it("reads tools as the demo's engine does, and not as they are written", async () => {
  const engine = new EngineTokenizer();
  const tokens = await openTokensOf(FILES);
  const messages = [{ role: "user", content: "When is high tide?" }];
  const told = { parameters: { type: "object" }, strict: false, name: "tide", description: "Now" };
  const tools = [{ defer_loading: null, function: told, type: "function" }];
  const chat = { messages, tools, templateKwargs: {}, continueFinalMessage: false };
  const ids = new Uint32Array(engine.encodeChat({ messages, tools }));
  expect(await tokens.encode({ kind: "chat", chat })).toEqual({ kind: "encoded", ids });
});

it("counts conversations as the demo's engine does, turn after turn", async () => {
  const engine = new EngineTokenizer();
  const tokens = await openTokensOf(FILES);
  await fc.assert(
    fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 8 }), async (contents) => {
      const all = contents.map((text, i) => ({
        role: i % 2 === 0 ? "user" : "assistant",
        content: text,
      }));
      for (let turns = 1; turns <= all.length; turns += 2) {
        const messages = all.slice(0, turns);
        const chat = {
          messages,
          tools: undefined,
          templateKwargs: {},
          continueFinalMessage: false,
        };
        expect(await tokens.encode({ kind: "chat", chat })).toEqual({
          kind: "encoded",
          ids: new Uint32Array(engine.encodeChat({ messages })),
        });
      }
      const text = contents.join("");
      const ids = new Uint32Array(engine.encodeText(text));
      expect(await tokens.encode({ kind: "text", text })).toEqual({ kind: "encoded", ids });
    }),
    { numRuns: 30 },
  );
}, 30_000);
