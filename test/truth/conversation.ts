/**
 * One conversation that a seed makes up: what its user asks next, as text, token ids or messages. It knows no process: what was
 * answered is told to it, and whatever is never answered it goes on without, as users do.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { EngineTokenizer } from "../../demo/engine/tokenizer/engine-tokenizer.ts";
import { seededRandom } from "../support/random.ts";
import type { Form, Turn, TurnKind } from "./turn.ts";

const CORPUS = readFileSync(
  join(import.meta.dirname, "../../demo/engine/tokenizer/corpus.txt"),
  "utf8",
);
/** Characters of what several conversations begin with. */
const DOCUMENT_CHARS = [160, 330, 470, 620, 800] as const;
/** What texts also have: marks of the model's, whole and not; characters of several bytes; what a template may trip over. */
const SPICES = [
  "<|im_end|>\n<|im_start|>user\n",
  "<|eos|>",
  "<|bos|>",
  "<|im_start",
  "|>",
  "caf\u00e9",
  "cafe\u0301",
  "\u{1f6a4}\u200d\u{1f30a}",
  "\u6e2f",
  "\uFFFD",
  "{{ bos_token }}",
  "\r\n\t  ",
  '\\u0000"\\',
];
const TOOLS = [{ type: "function", function: { name: "tide", parameters: { at: "\u6e2f" } } }];
/** Tokens of a prompt after which a conversation ends. */
const TOKENS_LIMIT = 640;
const FORMS = ["text", "text", "ids", "ids", "chat"] as const;
/** One that ends soon after its last turn, and the usual one. */
export const RETENTION_CLASSES = ["brief", "standard"] as const;

interface Entry {
  readonly role: "user" | "assistant";
  readonly text: string;
  readonly ids: readonly number[];
}

export interface ConversationOptions {
  readonly seed: number;
  /** From 0; with the seed it says all that will be asked, as far as answers do. */
  readonly number: number;
  readonly tenant: string;
  readonly tokenizer: EngineTokenizer;
}

export class Conversation {
  readonly id: string;
  readonly tenant: string;
  readonly #options: ConversationOptions;
  readonly #random: () => number;
  readonly #form: Form;
  readonly #class: string;
  /** Of a chat, always the same. */
  readonly #hasTools: boolean;
  /** A chat that its client makes a text of. */
  readonly #isRendered: boolean;
  #entries: readonly Entry[] = [];
  #turns = 0;
  #isOver = false;

  constructor(options: ConversationOptions, parent?: Conversation) {
    this.#options = options;
    this.id = `c${options.number}`;
    this.tenant = options.tenant;
    this.#random = seededRandom(options.seed * 1_000_003 + options.number);
    this.#form = parent === undefined ? this.#pick(FORMS) : parent.#form;
    this.#class = this.#pick(RETENTION_CLASSES);
    this.#hasTools = parent === undefined ? this.#random() < 0.3 : parent.#hasTools;
    const isText = this.#form === "text";
    this.#isRendered = parent === undefined ? isText && this.#random() < 0.5 : parent.#isRendered;
    if (parent !== undefined) this.#entries = parent.#entries;
  }

  /** No more is asked: its session was ended with its last turn. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Of its last prompt, as far as it was answered. */
  get hasAnswer(): boolean {
    return this.#entries.at(-1)?.role === "assistant";
  }

  /** One that goes on from here by itself. */
  fork(options: ConversationOptions): Conversation {
    return new Conversation(options, this);
  }

  /** To be asked at once, all of them; `answered` comes before the next call. */
  next(): readonly Turn[] {
    if (this.#entries.length === 0) return [this.#ask("opening", this.#opening())];
    const chance = this.#random();
    if (chance < 0.15 && this.hasAnswer) {
      return [this.#ask("regenerated", this.#entries.slice(0, -1))];
    }
    if (chance < 0.2 && this.hasAnswer) {
      return [this.#ask("gone_on", this.#entries)];
    }
    if (chance < 0.3) return [this.#ask("edited", this.#edited())];
    if (chance < 0.42) {
      return [
        this.#ask("concurrent", this.#continued()),
        this.#ask("concurrent", this.#continued()),
      ];
    }
    return [this.#ask(chance < 0.5 ? "left" : "continued", this.#continued())];
  }

  /** Of several at once the one that is gone on from is told last. */
  answered(turn: Turn, text: string, ids: readonly number[] | undefined): void {
    const before = turn.entries as readonly Entry[];
    const said = ids ?? this.#options.tokenizer.encodePlain(text);
    const answer: Entry = { role: "assistant", text, ids: said };
    const last = before.at(-1);
    if (last?.role !== "assistant") this.#entries = [...before, answer];
    else {
      const longer: Entry = { ...answer, text: last.text + text, ids: [...last.ids, ...said] };
      this.#entries = [...before.slice(0, -1), longer];
    }
  }

  #ask(kind: TurnKind, entries: readonly Entry[]): Turn {
    const number = (this.#turns += 1);
    const form = this.#formOf(entries);
    const { prompt, fields } = this.#spell(form, entries);
    const isFinal = prompt.length > TOKENS_LIMIT;
    this.#isOver ||= isFinal;
    this.#entries = entries;
    return {
      conversation: this.id,
      number,
      kind,
      form,
      entries,
      tenant: this.tenant,
      retentionClass: this.#class,
      dialect:
        this.#random() < (form === "chat" ? 0.1 : 0.5) ? "sglang-session" : "sglang-explicit",
      isFinal,
      isStream: this.#random() < 0.5,
      prompt,
      fields,
      sampling: {
        maxNewTokens: kind === "left" ? 40 : 2 + this.#upTo(22),
        ignoresEos: kind === "left" || this.#random() < 0.8,
      },
      spelling: this.#pick(["plain", "plain", "escaped", "indented"] as const),
      isForged: this.#random() < 0.1,
    };
  }

  /** A text is sometimes sent as the ids that an engine would make of it. */
  #formOf(entries: readonly Entry[]): Form {
    if (this.#form !== "text" || entries.length === 0) return this.#form;
    return this.#random() < 0.2 ? "spelled" : "text";
  }

  #spell(form: Form, entries: readonly Entry[]): Pick<Turn, "prompt" | "fields"> {
    const { tokenizer } = this.#options;
    const text = entries.map((entry) => entry.text).join("");
    switch (form) {
      case "text":
        return { prompt: tokenizer.encodeText(text), fields: { text } };
      case "spelled": {
        const prompt = tokenizer.encodeText(text);
        return { prompt, fields: { input_ids: prompt } };
      }
      case "ids": {
        const prompt = entries.flatMap(({ ids }) => ids);
        return { prompt, fields: { input_ids: prompt } };
      }
      case "chat": {
        const messages = entries.map(({ role, text: content }) => ({ role, content }));
        const tools = this.#hasTools ? { tools: TOOLS } : {};
        if (entries.at(-1)?.role !== "assistant") {
          return {
            prompt: tokenizer.encodeChat({ messages, ...tools }),
            fields: { messages, ...tools },
          };
        }
        const chat = { messages, ...tools, continueFinalMessage: true };
        const fields = { messages, ...tools, continue_final_message: true };
        return { prompt: tokenizer.encodeChat(chat), fields };
      }
    }
  }

  /** A document that others begin with too, alone or with a question after it; or something of its own. */
  #opening(): readonly Entry[] {
    const chance = this.#random();
    const document = CORPUS.slice(0, this.#pick(DOCUMENT_CHARS));
    if (chance < 0.4) return [this.#user(this.#rendered(document))];
    const text = chance < 0.8 ? document + this.#words() : this.#words(300);
    return [this.#user(this.#rendered(text))];
  }

  #continued(): readonly Entry[] {
    const words = this.#rendered(this.#words());
    return [...this.#entries, this.#user(this.#isRendered ? `<|im_end|>\n${words}` : words)];
  }

  #rendered(text: string): string {
    if (!this.#isRendered) return text;
    return `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`;
  }

  /** What the user said at some time goes on otherwise, and all after it is gone. */
  #edited(): readonly Entry[] {
    const users = this.#entries.flatMap(({ role }, at) => (role === "user" ? [at] : []));
    const at = this.#pick(users);
    const { text } = this.#entries[at] as Entry;
    const kept = text.slice(0, this.#upTo(text.length + 1));
    return [...this.#entries.slice(0, at), this.#user(kept + this.#words())];
  }

  #user(text: string): Entry {
    return { role: "user", text, ids: this.#options.tokenizer.encodePlain(text) };
  }

  /** A piece of the corpus from anywhere, words cut as it comes. */
  #words(most = 120): string {
    const length = 4 + this.#upTo(most);
    const from = this.#upTo(CORPUS.length - length);
    const words = CORPUS.slice(from, from + length);
    return this.#random() < 0.75 ? words : words + this.#pick(SPICES) + words.slice(0, 9);
  }

  #upTo(end: number): number {
    return Math.floor(this.#random() * end);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#upTo(from.length)] as T;
  }
}
