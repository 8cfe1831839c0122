/**
 * What a llama-server answers that has nothing in its slots: all answers are compared with that. The sums that a server makes depend on
 * how many tokens it computes at once, in their last bits, so that of two tokens which are as likely as each other it may choose either.
 * A differing token is excused where the fresh server finds both as likely, and is counted; from there on the comparison goes on behind
 * the token that was chosen.
 */
import { askLlama, FRESH } from "./ask.ts";
import { LlamaServer, type LlamaServerOptions } from "./server.ts";
import { OWN_CONNECTION } from "./slots.ts";

/** Of their probabilities, at the most. */
const EXCUSED_GAP = 1e-4;
const SHOWN_CANDIDATES = 5;

export interface Comparison {
  readonly isSame: boolean;
  /** Tokens that differ between two that are as likely. */
  readonly excused: number;
  /** Of the fresh server, from the first token that no excuse has. */
  readonly expected: string;
}

export class FreshServer {
  readonly #server: LlamaServer;

  /** For answers that are to be excused, of a model that `make-model.py` writes: a token is a character there. */
  constructor(options: Pick<LlamaServerOptions, "model" | "contextTokens">) {
    this.#server = new LlamaServer({ name: "fresh", slots: 1, ...options });
  }

  get url(): string {
    return this.#server.url;
  }

  async start(): Promise<void> {
    await this.#server.start();
  }

  /** The text of a chat, as the model's template makes it. */
  async render(messages: readonly object[]): Promise<string> {
    const { prompt } = (await this.#post("/apply-template", { messages })) as { prompt: string };
    return prompt;
  }

  async answer(prompt: string, tokens: number): Promise<string> {
    return (await askLlama({ url: this.url, prompt, tokens, fields: FRESH })).text;
  }

  /** `answer` as one of so many tokens, or fewer where it was cut. */
  async compare(prompt: string, answer: string): Promise<Comparison> {
    let excused = 0;
    for (let from = 0; from < answer.length;) {
      const rest = answer.slice(from);
      const fresh = await this.#candidates(prompt + answer.slice(0, from), rest.length);
      const at = fresh.findIndex(({ token }, index) => token !== rest[index]);
      if (at < 0) return { isSame: true, excused, expected: "" };
      if (!isExcused(fresh[at], rest[at])) {
        const expected = fresh.map(({ token }) => token).join("");
        return { isSame: false, excused, expected };
      }
      excused += 1;
      from += at + 1;
    }
    return { isSame: true, excused, expected: "" };
  }

  async close(): Promise<void> {
    await this.#server.close();
  }

  async #candidates(prompt: string, tokens: number): Promise<readonly Candidates[]> {
    const sampling = { temperature: 0, ignore_eos: true, n_predict: tokens };
    const body = { prompt, ...sampling, ...FRESH, n_probs: SHOWN_CANDIDATES };
    const answer = (await this.#post("/completion", body)) as {
      readonly completion_probabilities: readonly Candidates[];
    };
    return answer.completion_probabilities;
  }

  async #post(path: string, body: object): Promise<unknown> {
    const response = await fetch(`${this.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...OWN_CONNECTION },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`status ${response.status}: ${await response.text()}`);
    return response.json();
  }
}

/** For one token of an answer, the likeliest first, which was chosen. */
interface Candidates {
  readonly token: string;
  readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[];
}

function isExcused(found: Candidates | undefined, chosen: string | undefined): boolean {
  const [best, ...others] = found?.top_logprobs ?? [];
  const other = others.find(({ token }) => token === chosen);
  if (best === undefined || other === undefined) return false;
  return Math.exp(best.logprob) - Math.exp(other.logprob) <= EXCUSED_GAP;
}
