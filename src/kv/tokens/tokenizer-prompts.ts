/**
 * Prompts by a loaded tokenizer: what is short is done at once, and what is long by a worker thread, so that the event loop is never
 * held for more than a few milliseconds. No answer takes longer than `answerMs`; what takes longer is still finished where it can be,
 * so that the conversation's next turn finds its ids.
 */
import type { Scheduler } from "../../clock.ts";
import type { ChatPrompt, Prompt } from "../dialects/dialect.ts";
import { measureChat } from "./chat-size.ts";
import type { RenderedChat } from "./chat-template.ts";
import { IncrementalEncoder } from "./incremental-encoder.ts";
import { joinIds } from "./join-ids.ts";
import type { LoadedTokenizer } from "./loaded-tokenizer.ts";
import type { EncodedPrompt, PromptTokens, Unencoded, UnencodedReason } from "./prompt-tokens.ts";
import type { ProbedTokens } from "./tokenizer-probes.ts";
import type { TokenAnswer, TokenJob } from "./token-jobs.ts";
import { doTokenJob } from "./token-jobs.ts";
import type { JobEnd, WorkerPool } from "./worker-pool.ts";

/** `chars` are UTF-16 units. */
export interface TokenLimits {
  /** Of a text that is encoded on the event loop: no more than a few milliseconds. */
  readonly inlineChars: number;
  /** Of a chat that is rendered on the event loop: as long. */
  readonly inlineChatValues: number;
  readonly inlineChatChars: number;
  /** Of these, in arguments of tool calls. */
  readonly inlineChatJsonChars: number;
  /** Messages, their members, tools and whatever is in them; a chat with more is `template_failed`, as it could not be handed on in time. */
  readonly chatValues: number;
  /** Of a rendered chat; a longer one is `template_failed`. */
  readonly renderedChars: number;
  /** Of ids kept for the next turns. */
  readonly keptBytes: number;
  /** After so long a prompt is `tokens_busy`. */
  readonly answerMs: number;
  readonly workers: number;
  readonly waitingJobs: number;
  readonly waitingChars: number;
  /** A worker that is at one job for longer is replaced. */
  readonly workerRunMs: number;
  readonly workerHeapMib: number;
}

export interface TokenizerPromptsOptions {
  readonly loaded: LoadedTokenizer;
  readonly workers: Pick<WorkerPool<TokenJob, TokenAnswer>, "run" | "close">;
  readonly scheduler: Scheduler;
  readonly limits: TokenLimits;
}

type Outcome = EncodedPrompt | Unencoded;

const NO_IDS = new Uint32Array(0);

export class TokenizerPrompts implements PromptTokens, ProbedTokens {
  readonly #options: TokenizerPromptsOptions;
  readonly #texts: IncrementalEncoder;
  #isClosed = false;

  constructor(options: TokenizerPromptsOptions) {
    this.#options = options;
    this.#texts = new IncrementalEncoder({
      sectionTokens: options.loaded.encoder.sectionTokens,
      encodeText: (text) => this.#encodeText(text),
      rest: () => new Promise((resolve) => setImmediate(resolve)),
      keptBytes: options.limits.keptBytes,
    });
  }

  get addedTokens(): readonly string[] {
    return this.#options.loaded.encoder.sectionTokens.map(({ content }) => content);
  }

  async encode(prompt: Prompt): Promise<Outcome> {
    if (prompt.kind === "ids") return encoded(new Uint32Array(prompt.ids));
    if (this.#isClosed) return unencoded("tokens_busy");
    const { scheduler, limits } = this.#options;
    return new Promise((resolve, reject) => {
      const late = (): void => resolve(unencoded("tokens_busy"));
      const cancel = scheduler.after(limits.answerMs, late);
      const work = prompt.kind === "text" ? this.#text(prompt.text) : this.#chat(prompt.chat);
      work.then(resolve, reject).finally(cancel);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#options.workers.close();
  }

  async #text(text: string): Promise<Outcome> {
    const ids = await this.#framed(text);
    return ids === undefined ? unencoded("tokens_busy") : encoded(ids);
  }

  async #framed(text: string): Promise<Uint32Array | undefined> {
    const { before, after } = this.#options.loaded.encoder.frame;
    const ids = await this.#texts.encode(text);
    if (before.length + after.length === 0) return ids;
    return ids && joinIds(before, ids, after);
  }

  /** A template writes the special tokens itself, so none are added. */
  async #chat(chat: ChatPrompt): Promise<Outcome> {
    if (this.#options.loaded.template === undefined) return unencoded("no_template");
    const rendered = await this.#render(chat);
    if (rendered.kind === "busy") return unencoded("tokens_busy");
    if (rendered.answer === undefined) return unencoded("template_failed");
    const { text, continued } = rendered.answer as RenderedChat;
    const ids = await this.#texts.encode(text);
    const more = continued === "" ? NO_IDS : await this.#continued(continued);
    if (ids === undefined || more === undefined) return unencoded("tokens_busy");
    return encoded(more.length === 0 ? ids : joinIds(ids, more));
  }

  /** As SGLang has it: a text of its own, but for a first token that would begin the prompt anew. */
  async #continued(text: string): Promise<Uint32Array | undefined> {
    const ids = await this.#framed(text);
    return ids?.[0] === this.#options.loaded.encoder.bos ? ids?.subarray(1) : ids;
  }

  async #render(chat: ChatPrompt): Promise<JobEnd<TokenAnswer>> {
    const { limits } = this.#options;
    const { values, chars, jsonChars } = measureChat(chat, limits.chatValues);
    if (values > limits.chatValues) return { kind: "done", answer: undefined };
    const isShort =
      values <= limits.inlineChatValues &&
      chars <= limits.inlineChatChars &&
      jsonChars <= limits.inlineChatJsonChars;
    return this.#do({ kind: "render", chat }, { isShort, chars });
  }

  async #encodeText(text: string): Promise<Uint32Array | undefined> {
    const isShort = text.length <= this.#options.limits.inlineChars;
    const end = await this.#do({ kind: "encode", text }, { isShort, chars: text.length });
    return end.kind === "done" ? (end.answer as Uint32Array) : undefined;
  }

  async #do(
    job: TokenJob,
    size: { isShort: boolean; chars: number },
  ): Promise<JobEnd<TokenAnswer>> {
    if (!size.isShort) return this.#options.workers.run(job, size.chars);
    return { kind: "done", answer: doTokenJob(this.#options.loaded, job) };
  }
}

function encoded(ids: Uint32Array): EncodedPrompt {
  return { kind: "encoded", ids };
}

function unencoded(reason: UnencodedReason): Unencoded {
  return { kind: "unencoded", reason };
}
