/**
 * What an engine's tokenizer is asked, to see that it is ours: texts in which tokenizers differ that agree on plain English, and a
 * conversation where the engine renders them itself. Equal ids prove nothing of other texts; a difference proves enough.
 */
import type { ChatPrompt, Prompt } from "../dialects/dialect.ts";
import type { PromptTokens } from "./prompt-tokens.ts";

export interface TokenizerProbe {
  /** For logs: what is told apart by it. */
  readonly name: string;
  /** For the engine, as JSON: `{prompt}` or `{messages, tools}`, as SGLang and vLLM take it. */
  readonly request: string;
  /** Of our tokenizer. Or, without one: `one_more` than those of the probe before, at their end but for one that ends texts. */
  readonly ids: Uint32Array | "any" | "one_more";
  /** A difference says nothing of prompts without tools: releases of an engine write out tools in different ways. */
  readonly isOfTools?: boolean;
}

export interface ProbedTokens extends Pick<PromptTokens, "encode"> {
  /** That are found in texts as they are written. */
  readonly addedTokens: readonly string[];
}

/** Of all probes together some 10 KB: what an engine is sent at each of its starts. */
const ADDED_TOKENS_LIMIT = 64;
const ADDED_CHARS_LIMIT = 2_048;
/** Long enough to be encoded in pieces where it has added tokens, and short enough to be encoded at once. */
const LONG_CHARS = 3_000;

const TEXTS = {
  ascii: "The quick brown fox jumps over the lazy dog, doesn't it? (I'd say SO: \"yes\"!)",
  unicode:
    "Žluťoučký kůň – Straße, naïve e\u0301 ﬁ ½; русский, Ελληνικά, עברית, हिन्दी, 日本語のテキスト。 👩‍👩‍👧 🇳🇴",
  spaces: " a  b   c\t\td\n\n\ne \r\n  f\u00a0g\u3000h    i\n \n",
  digits: "0 12 345 6789 12345678901 3.14159 1,000,000 -7 0x1F 2026-11-21 ١٢٣ ½",
  code: '#include <a.h>\nif (a[i] != "x" && !b) {\n\treturn -1; // 50% \\n ```\n}\n</s>',
} as const;

const SAYS = [
  { role: "user", content: "Where does the ferry moor?\n\n" },
  { role: "assistant", content: " At the north pier – 日本語, 42." },
  { role: "user", content: "When?" },
] as const;

const CHATS: Readonly<Record<string, ChatPrompt["messages"]>> = {
  chat: SAYS,
  "system chat": [{ role: "system", content: "Answer in a word." }, ...SAYS],
};

/** In another order than any engine's, with more than it knows and less. */
const TOOLS = [
  {
    "x-moored": true,
    function: {
      parameters: { type: "object", properties: { at: { type: "string" } }, required: ["at"] },
      name: "tide",
      description: "When the water is high.",
    },
    type: "function",
  },
] as const;

/** Those that we can encode ourselves. `rendersChats`: the engine gets messages, and makes one text of them. */
export async function tokenizerProbes(
  tokens: ProbedTokens,
  { rendersChats }: { readonly rendersChats: boolean },
): Promise<readonly TokenizerProbe[]> {
  const added = textOfAdded(tokens.addedTokens);
  const texts = { ...TEXTS, added, long: longText(added) };
  const asked = Object.entries(texts).map(([name, text]) => ({
    name,
    request: { prompt: text },
    prompt: { kind: "text", text } as Prompt,
  }));
  const chats = Object.entries(CHATS).map(([name, messages]) => ({
    name,
    request: { messages },
    prompt: { kind: "chat", chat: chatOf(messages) } as Prompt,
  }));
  const withTools = {
    name: "tools",
    request: { messages: SAYS, tools: TOOLS },
    prompt: { kind: "chat", chat: { ...chatOf(SAYS), tools: TOOLS } } as Prompt,
    isOfTools: true,
  };
  const all = [...asked, ...(rendersChats ? [...chats, withTools] : [])];
  const probes = await Promise.all(
    all.map(async ({ request, prompt, ...probe }): Promise<TokenizerProbe[]> => {
      const encoded = await tokens.encode(prompt);
      if (encoded.kind !== "encoded") return [];
      return [{ ...probe, request: JSON.stringify(request), ids: encoded.ids }];
    }),
  );
  return probes.flat();
}

/** Each behind and before a letter, and one beside the next. */
function textOfAdded(tokens: readonly string[]): string {
  let text = "a";
  for (const token of tokens.slice(0, ADDED_TOKENS_LIMIT)) {
    if (text.length + token.length > ADDED_CHARS_LIMIT) break;
    text += `${token}b ${token}`;
  }
  return `${text} c`;
}

function longText(added: string): string {
  const round = `${TEXTS.ascii} ${TEXTS.unicode} ${added.slice(0, 200)} `;
  return round
    .repeat(Math.ceil(LONG_CHARS / round.length))
    .slice(0, LONG_CHARS)
    .toWellFormed();
}

function chatOf(messages: ChatPrompt["messages"]): ChatPrompt {
  return { messages, tools: undefined, templateKwargs: {}, continueFinalMessage: false };
}
