/**
 * Prompts as the token ids that an engine makes of them, by the model's own `tokenizer.json` and chat template. Counting and
 * encoding never hold the event loop for more than a few milliseconds: what is longer goes to a worker thread.
 */
import type { Prompt } from "../dialects/dialect.ts";
import type { SplitText } from "../text/special-strings.ts";

export interface PromptTokens {
  /** Rejects for a bug only. The ids of an `ids` prompt are its own. */
  encode(prompt: Prompt): Promise<EncodedPrompt | UncountedText | Unencoded>;
  /** What the engine made of a text of so many bytes that was not counted here. Texts to come are guessed by it. */
  counted?(bytes: number, tokens: number): void;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface EncodedPrompt {
  readonly kind: "encoded";
  readonly ids: Uint32Array;
}

/** The engine tokenises it, and nobody else. */
export interface UncountedText {
  readonly kind: "text";
  readonly text: SplitText;
  readonly guessedTokens: number;
}

export interface Unencoded {
  readonly kind: "unencoded";
  readonly reason: UnencodedReason;
}

/** A value of `x-moorline-kv` and of a metric's label. */
export type UnencodedReason =
  | "no_tokenizer" // the pool has none configured, and for a text no special tokens either
  | "no_template" // nor a chat template, and the prompt is a chat
  | "template_failed" // it refused these messages
  | "tokens_busy"; // too many prompts wait for a worker already
