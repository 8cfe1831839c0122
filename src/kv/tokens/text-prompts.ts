/**
 * Prompts of a pool without a tokenizer that knows the special tokens of its model: texts are told as texts. How many tokens one has
 * is guessed, by those that the engine counted.
 */
import type { Prompt } from "../dialects/dialect.ts";
import { SpecialStrings, type SplitText } from "../text/special-strings.ts";
import type { EncodedPrompt, PromptTokens, UncountedText, Unencoded } from "./prompt-tokens.ts";

/** Tokens of a byte before the first count: English, by most tokenizers. */
const FIRST_GUESS = 0.25;
/** What is reserved for everybody hangs on the guess, so no client's text makes it less, such as one of a million spaces. */
const LEAST_GUESS = FIRST_GUESS / 2;
/** Texts of so many bytes halve what those before them say: one of a few bytes, of which the first token is most, says hardly anything. */
const HALVING_BYTES = 64 * 1024;

export class TextPrompts implements PromptTokens {
  readonly #special: SpecialStrings;
  /** Of texts that were counted, those of long ago less and less. */
  #countedTokens = 0;
  #countedBytes = 0;

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

  counted(bytes: number, tokens: number): void {
    const kept = 2 ** (-bytes / HALVING_BYTES);
    this.#countedTokens = this.#countedTokens * kept + tokens;
    this.#countedBytes = this.#countedBytes * kept + bytes;
  }

  async close(): Promise<void> {}

  #guess({ bytes }: SplitText): number {
    const [tokens, counted] = [this.#countedTokens, this.#countedBytes];
    const ofByte = counted === 0 ? FIRST_GUESS : Math.max(LEAST_GUESS, tokens / counted);
    return Math.max(1, Math.round(bytes.length * ofByte));
  }
}

function immediately(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
