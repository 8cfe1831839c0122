/** One conversation that a seed makes up, as clients of a llama-server have it: each prompt says everything again. */
import { readFileSync } from "node:fs";
import { CORPUS_FILE } from "../../../demo/engine/tokenizer/files.ts";
import { seededRandom } from "../../support/random.ts";
import { type Entry, type Form, FORMS, type LlamaTurn, type TurnKind } from "./turn.ts";

const CORPUS = readFileSync(CORPUS_FILE, "utf8").replaceAll(/[^\x20-\x7e\n]/g, "");
/** Characters of what several conversations begin with: enough that a server takes a prompt for one that goes on from another. */
const DOCUMENT_CHARS = [200, 450, 700] as const;
/** Of a prompt, after which its conversation ends. */
const CHARS_LIMIT = 1_800;

export interface ConversationOptions {
  readonly seed: number;
  /** From 0; with the seed it says all that will be asked, as far as answers do. */
  readonly number: number;
}

export class LlamaConversation {
  readonly id: string;
  readonly #random: () => number;
  readonly #form: Form;
  #entries: readonly Entry[] = [];
  #turns = 0;

  constructor({ seed, number }: ConversationOptions, parent?: LlamaConversation) {
    this.id = `c${number}`;
    this.#random = seededRandom(seed * 1_000_003 + number);
    this.#form = parent === undefined ? this.#pick(FORMS) : parent.#form;
    if (parent !== undefined) this.#entries = parent.#entries;
  }

  get isOver(): boolean {
    return this.#entries.reduce((sum, { content }) => sum + content.length, 0) > CHARS_LIMIT;
  }

  /** Of its last prompt, as far as it was answered. */
  get hasAnswer(): boolean {
    return this.#entries.at(-1)?.role === "assistant";
  }

  /** One that goes on from here by itself. */
  fork(options: ConversationOptions): LlamaConversation {
    return new LlamaConversation(options, this);
  }

  /** To be asked at once, all of them; `answered` comes before the next call. */
  next(): readonly LlamaTurn[] {
    if (this.#entries.length === 0) return [this.#ask("opening", this.#opening())];
    const chance = this.#random();
    if (chance < 0.1 && this.hasAnswer)
      return [this.#ask("regenerated", this.#entries.slice(0, -1))];
    if (chance < 0.2) return [this.#ask("edited", this.#edited())];
    if (chance < 0.28) {
      const asked = [this.#continued(), this.#continued()];
      return asked.map((entries) => this.#ask("concurrent", entries));
    }
    return [this.#ask(chance < 0.34 ? "left" : "continued", this.#continued())];
  }

  /** Of several at once the one that is gone on from is told last. */
  answered({ entries }: LlamaTurn, content: string): void {
    this.#entries = [...entries, { role: "assistant", content }];
  }

  #ask(kind: TurnKind, entries: readonly Entry[]): LlamaTurn {
    this.#entries = entries;
    return {
      conversation: this.id,
      number: (this.#turns += 1),
      kind,
      form: this.#form,
      isStream: kind === "left" || this.#random() < 0.5,
      entries,
      tokens: kind === "left" ? 120 : 8 + this.#upTo(24),
    };
  }

  #opening(): readonly Entry[] {
    const chance = this.#random();
    const document = CORPUS.slice(0, this.#pick(DOCUMENT_CHARS));
    return [this.#user(chance < 0.5 ? document + this.#words(120) : this.#words(500))];
  }

  #continued(): readonly Entry[] {
    return [...this.#entries, this.#user(this.#words(90))];
  }

  #edited(): readonly Entry[] {
    const users = this.#entries.flatMap(({ role }, at) => (role === "user" ? [at] : []));
    const at = this.#pick(users);
    const content = this.#entries[at]?.content ?? "";
    const kept = content.slice(0, this.#upTo(content.length + 1));
    return [...this.#entries.slice(0, at), this.#user(kept + this.#words(60))];
  }

  #user(content: string): Entry {
    return { role: "user", content };
  }

  /** A piece of the corpus from anywhere, words cut as it comes. */
  #words(most: number): string {
    const length = 8 + this.#upTo(most);
    const from = this.#upTo(CORPUS.length - length);
    return CORPUS.slice(from, from + length);
  }

  #upTo(end: number): number {
    return Math.floor(this.#random() * end);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#upTo(from.length)] as T;
  }
}
