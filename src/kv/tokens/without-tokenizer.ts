import type { PromptTokens } from "./prompt-tokens.ts";

/** For a pool without a tokenizer: prompts that come as ids are counted, and no others. */
export const withoutTokenizer: PromptTokens = {
  encode: (prompt) =>
    Promise.resolve(
      prompt.kind === "ids"
        ? { kind: "encoded", ids: new Uint32Array(prompt.ids) }
        : { kind: "unencoded", reason: "no_tokenizer" },
    ),
  close: () => Promise.resolve(),
};
