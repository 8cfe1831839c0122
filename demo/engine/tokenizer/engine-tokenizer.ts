/** Prompts to ids and ids to text, as SGLang does it with a model's `tokenizer.json` and chat template. */
import { readFileSync } from "node:fs";
import { Template } from "@huggingface/jinja";
import { Tokenizer } from "@huggingface/tokenizers";
import { TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "./files.ts";
import { dumpTool, type Tool } from "./tools.ts";
import { SPECIAL_TOKENS } from "./vocabulary.ts";

export interface ChatMessage {
  readonly role: string;
  readonly content?: string | readonly ContentPart[] | null;
}

export interface ContentPart {
  readonly type: "text";
  readonly text: string;
}

export interface Chat {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly Tool[] | undefined;
  readonly templateKwargs?: Readonly<Record<string, unknown>> | undefined;
  /** The last message is the assistant's, and the answer goes on where it ends. */
  readonly continueFinalMessage?: boolean | undefined;
}

/** An answer ends with either. */
export const STOP_IDS: readonly number[] = [SPECIAL_TOKENS.eos.id, SPECIAL_TOKENS.imEnd.id];

export class EngineTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #template: Template;
  readonly #bos: string;

  constructor() {
    const config = readJson(TOKENIZER_CONFIG_FILE) as { chat_template: string; bos_token: string };
    this.#tokenizer = new Tokenizer(readJson(TOKENIZER_FILE), config);
    this.#template = new Template(config.chat_template);
    this.#bos = config.bos_token;
  }

  /** Of a text prompt: the tokenizer puts its own marks around it. */
  encodeText(text: string): number[] {
    return this.#tokenizer.encode(text).ids;
  }

  /**
   * Of a chat. Its text has all marks already. A final message that is to be continued is tokenised apart, and its ids appended.
   * Throws what the template throws.
   */
  encodeChat(chat: Chat): number[] {
    const rendered = chat.messages.map(({ role, content }) => ({
      role,
      content: flatten(content),
    }));
    const prefix = chat.continueFinalMessage === true ? rendered.pop()?.content : undefined;
    const text = this.#template.render({
      ...chat.templateKwargs,
      messages: rendered,
      tools: chat.tools?.map(dumpTool) ?? null,
      add_generation_prompt: true,
      bos_token: this.#bos,
    });
    return [text, prefix ?? ""].flatMap((part) => this.encodePlain(part));
  }

  /** The ids of the text itself; marks in it are marks. */
  encodePlain(text: string): number[] {
    return this.#tokenizer.encode(text, { add_special_tokens: false }).ids;
  }

  /** Without special tokens. A character whose bytes are not all there is U+FFFD. */
  decode(ids: readonly number[]): string {
    if (ids.length === 0) return ""; // which the library refuses
    return this.#tokenizer.decode([...ids], { skip_special_tokens: true });
  }
}

/** To one text: templates that take lists of parts say so, and this one does not. */
function flatten(content: ChatMessage["content"]): string {
  if (content === null || content === undefined) return "";
  return typeof content === "string" ? content : content.map(({ text }) => text).join(" ");
}

function readJson(file: string): object {
  return JSON.parse(readFileSync(file, "utf8")) as object;
}
