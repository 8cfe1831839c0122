/** A model's chat template. Renders are bounded by what they are given and by what they may come to; the template is the operator's. */
import { Template } from "@huggingface/jinja";
import { AppError } from "../../errors.ts";
import type { ChatPrompt } from "../dialects/dialect.ts";
import { toTemplateChat } from "./chat-messages.ts";
import { specialToken } from "./encoder.ts";
import { PythonWriting } from "./python-writing.ts";
import { findChangingName, takesContentParts } from "./template-reads.ts";
import { unusableFile } from "./tokenizer-files.ts";
import type { JsonObject, TemplateText } from "./tokenizer-files.ts";

export interface ChatTemplate {
  /** Undefined where the template, or we, refuse these messages. */
  render(chat: ChatPrompt): RenderedChat | undefined;
}

/** The two texts are tokenised apart, as SGLang does, so that no token is of both. */
export interface RenderedChat {
  readonly text: string;
  /** What the assistant's answer begins with; mostly nothing. */
  readonly continued: string;
}

export interface RenderLimits {
  /** UTF-16 units of the rendered texts. */
  readonly chars: number;
}

/** The special tokens that engines show to templates by name. */
const TOKEN_NAMES = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
];

/**
 * What `apply_chat_template` of Hugging Face takes for itself: the engine refuses to have some of them twice, and by others a client has a
 * template of its own rendered, or the prompt cut.
 */
const OWN_ARGUMENTS = [
  "messages",
  "conversation",
  "tools",
  "documents",
  "chat_template",
  "add_generation_prompt",
  "continue_final_message",
  "tokenize",
  "padding",
  "truncation",
  "max_length",
  "return_tensors",
  "return_dict",
  "return_assistant_tokens_mask",
  "tokenizer_kwargs",
];

/** Throws `config_invalid` for a template that cannot be parsed, or that says something else each time. */
export function createChatTemplate(
  { file, text }: TemplateText,
  config: JsonObject,
  limits: RenderLimits,
): ChatTemplate {
  const template = parse(file, text);
  const changing = findChangingName(template.parsed);
  if (changing !== undefined) {
    const why = `the template reads ${changing}, so no prompt would ever be the same again; name a template without it`;
    throw unusableFile(file, why);
  }
  const takesParts = takesContentParts(template.parsed, text);
  const tokens = specialTokens(config);
  const writing = new PythonWriting(template.parsed);

  function renderText(chat: ChatPrompt): RenderedChat | undefined {
    const { messages, tools, continued } = toTemplateChat(chat, takesParts);
    const text = writing.render({
      ...tokens,
      ...chat.templateKwargs,
      messages,
      tools,
      documents: null,
      add_generation_prompt: true,
    });
    return text.length + continued.length <= limits.chars ? { text, continued } : undefined;
  }

  return {
    render(chat) {
      if (OWN_ARGUMENTS.some((name) => Object.hasOwn(chat.templateKwargs, name))) return undefined;
      try {
        return renderText(chat);
      } catch {
        // Its own `raise_exception`, a value that it did not expect, or messages that we refuse: all the same to the client.
        return undefined;
      }
    },
  };
}

function parse(file: string, text: string): Template {
  try {
    return new Template(text);
  } catch (cause) {
    const why = `the template cannot be parsed: ${AppError.from(cause).message}`;
    throw unusableFile(file, why, cause);
  }
}

function specialTokens(config: JsonObject): Readonly<Record<string, string>> {
  const tokens: Record<string, string> = {};
  for (const name of TOKEN_NAMES) {
    const token = specialToken(config, name);
    if (token !== undefined) tokens[name] = token;
  }
  return tokens;
}
