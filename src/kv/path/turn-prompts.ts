/** The tokens of bodies on their way through the path. A body is encoded once, whoever asks first for what it is made of. */
import type { Prompt, TurnBody } from "../dialects/dialect.ts";
import type { PromptTokens, Unencoded } from "../tokens/prompt-tokens.ts";
import type { TextSequence, TokenSequence } from "../turns/token-sequence.ts";

export interface TurnPromptsOptions {
  /** A text goes to the engine as the ids that it was planned by. */
  readonly sendTokens: boolean;
  readonly tokens: Pick<PromptTokens, "encode" | "counted">;
}

export interface TurnPrompt {
  readonly kind: "encoded";
  readonly prompt: TokenSequence | TextSequence;
  /** To be sent in place of the text. */
  readonly inputIds: Uint32Array | undefined;
}

export class TurnPrompts {
  readonly #options: TurnPromptsOptions;
  /** As long as the bodies are there. */
  readonly #known = new WeakMap<TurnBody, Promise<TurnPrompt | Unencoded>>();

  constructor(options: TurnPromptsOptions) {
    this.#options = options;
  }

  /** Rejects for a bug only. */
  of(body: TurnBody): Promise<TurnPrompt | Unencoded> {
    const known = this.#known.get(body) ?? this.#encode(body);
    this.#known.set(body, known);
    return known;
  }

  async #encode({ prompt: given, context }: TurnBody): Promise<TurnPrompt | Unencoded> {
    const encoded = await this.#options.tokens.encode(given);
    if (encoded.kind === "unencoded") return encoded;
    if (encoded.kind === "text") {
      return { kind: "encoded", prompt: { ...encoded, context }, inputIds: undefined };
    }
    const { ids } = encoded;
    const kind = this.#isGiven(given) ? "engine" : "tokenizer";
    const isSent = kind === "engine" && given.kind === "text";
    const prompt: TokenSequence = { kind, context, grid: [], ids };
    return { kind: "encoded", prompt, inputIds: isSent ? ids : undefined };
  }

  /** Whether the engine gets the ids themselves. */
  #isGiven({ kind }: Prompt): boolean {
    return kind === "ids" || (kind === "text" && this.#options.sendTokens);
  }
}
