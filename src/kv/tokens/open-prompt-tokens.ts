/** `PromptTokens` of a pool. */
import type { ChatPrompt } from "../dialects/dialect.ts";
import { loadTokenizer } from "./loaded-tokenizer.ts";
import type { LoadedTokenizer } from "./loaded-tokenizer.ts";
import type { PromptTokens, Unencoded, UnencodedReason } from "./prompt-tokens.ts";
import { readTokenizerFiles } from "./tokenizer-files.ts";
import type { TokenizerFiles } from "./tokenizer-files.ts";

export interface PromptTokensOptions {
  readonly files: TokenizerFiles;
  readonly limits?: Partial<TokenLimits>;
}

export interface TokenLimits {
  /** Of a chat; one with more is `template_failed`. */
  readonly messages: number;
  /** UTF-16 units of a chat's rendered text. */
  readonly renderedChars: number;
}

const DEFAULTS: TokenLimits = { messages: 16_384, renderedChars: 32 * 1024 * 1024 };

/** For a pool without a tokenizer: prompts that come as ids are counted, and no others. */
export const withoutTokenizer: PromptTokens = {
  encode: (prompt) =>
    Promise.resolve(
      prompt.kind === "ids"
        ? { kind: "encoded", ids: new Uint32Array(prompt.ids) }
        : unencoded("no_tokenizer"),
    ),
  close: () => Promise.resolve(),
};

/** Throws `config_invalid`, with the file and what is wrong with it. */
export async function openPromptTokens(options: PromptTokensOptions): Promise<PromptTokens> {
  const limits = { ...DEFAULTS, ...options.limits };
  const source = await readTokenizerFiles(options.files);
  const loaded = loadTokenizer(source, { messages: limits.messages, chars: limits.renderedChars });
  return {
    async encode(prompt) {
      switch (prompt.kind) {
        case "ids":
          return { kind: "encoded", ids: new Uint32Array(prompt.ids) };
        case "text": {
          const { before, after } = loaded.encoder.frame;
          const ids = loaded.encoder.encode(prompt.text);
          return { kind: "encoded", ids: joined([before, ids, after]) };
        }
        case "chat":
          return chatIds(loaded, prompt.chat);
      }
    },
    close: () => Promise.resolve(),
  };
}

function chatIds({ encoder, template }: LoadedTokenizer, chat: ChatPrompt) {
  if (template === undefined) return unencoded("no_template");
  const text = template.render(chat);
  if (text === undefined) return unencoded("template_failed");
  return { kind: "encoded", ids: encoder.encode(text) } as const;
}

function unencoded(reason: UnencodedReason): Unencoded {
  return { kind: "unencoded", reason };
}

function joined(parts: readonly ArrayLike<number>[]): Uint32Array {
  const all = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}
