/**
 * One model's tokenizer and template, as the event loop and each worker thread have a copy of it. Synchronous: who calls it decides
 * whether there is time for it.
 */
import { AppError } from "../../errors.ts";
import { createChatTemplate } from "./chat-template.ts";
import type { ChatTemplate, RenderLimits } from "./chat-template.ts";
import { createEncoder } from "./encoder.ts";
import type { Encoder } from "./encoder.ts";
import { unusableFile } from "./tokenizer-files.ts";
import type { TokenizerSource } from "./tokenizer-files.ts";

export interface LoadedTokenizer {
  readonly encoder: Encoder;
  /** Undefined: the model has none. */
  readonly template: ChatTemplate | undefined;
}

/** Throws `config_invalid`, with the file and what is wrong with it. */
export function loadTokenizer(source: TokenizerSource, limits: RenderLimits): LoadedTokenizer {
  const { file, tokenizer, config, template } = source;
  try {
    const encoder = createEncoder(tokenizer, config);
    return { encoder, template: template && createChatTemplate(template, config, limits) };
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw unusableFile(file, AppError.from(cause).message, cause);
  }
}
