/**
 * Prompts of a pool without a tokenizer that knows the special tokens of its model: texts are told as texts. How many tokens one has
 * is guessed, by those that the engine counted.
 */
import type { Prompt } from "../dialects/dialect.ts";
import { SpecialStrings } from "../text/special-strings.ts";
import type { EncodedPrompt, PromptTokens, UncountedText, Unencoded } from "./prompt-tokens.ts";
import { TokenGuess } from "./token-guess.ts";

export class TextPrompts implements PromptTokens {
  readonly #special: SpecialStrings;
  readonly #guess = new TokenGuess();

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
    return { kind: "text", text, guessedTokens: this.#guess.of(text.bytes.length) };
  }

  counted(bytes: number, tokens: number): void {
    this.#guess.counted(bytes, tokens);
  }

  async close(): Promise<void> {}
}

function immediately(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
