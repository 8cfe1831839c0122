/**
 * Prompts of a pool without a tokenizer that knows the special tokens of its model: texts are told as texts. How many tokens one has
 * is guessed, by those that the engine counted.
 */
import type { Prompt } from "../dialects/dialect.ts";
import { SpecialStrings, type SplitText } from "../text/special-strings.ts";
import type { EncodedPrompt, PromptTokens, UncountedText, Unencoded } from "./prompt-tokens.ts";

/** Before the first count: English, by most tokenizers. */
const FIRST_GUESS = 0.25;
/** Of the newest count, once there was another. */
const WEIGHT = 0.1;

export class TextPrompts implements PromptTokens {
  readonly #special: SpecialStrings;
  #tokensPerByte: number | undefined;

  /** At least one, none of them empty. */
  constructor(specialTokens: readonly string[]) {
    this.#special = new SpecialStrings(specialTokens);
  }

  async encode(prompt: Prompt): Promise<EncodedPrompt | UncountedText | Unencoded> {
    if (prompt.kind === "ids") return { kind: "encoded", ids: new Uint32Array(prompt.ids) };
    // Without its template nobody knows the text of a chat.
    if (prompt.kind === "chat") return { kind: "unencoded", reason: "no_tokenizer" };
    const text = await this.#special.split(prompt.text, immediately);
    if (text === undefined) return { kind: "unencoded", reason: "no_tokenizer" };
    return { kind: "text", text, guessedTokens: this.#guess(text) };
  }

  counted({ bytes }: SplitText, tokens: number): void {
    const counted = tokens / bytes.length;
    const before = this.#tokensPerByte ?? counted;
    this.#tokensPerByte = before + WEIGHT * (counted - before);
  }

  async close(): Promise<void> {}

  #guess({ bytes }: SplitText): number {
    return Math.max(1, Math.round(bytes.length * (this.#tokensPerByte ?? FIRST_GUESS)));
  }
}

function immediately(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
