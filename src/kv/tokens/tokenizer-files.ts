/**
 * A model's tokenizer as it is on disk: `tokenizer.json`, `tokenizer_config.json` and a chat template. Read once, when the program
 * starts: a pool whose tokenizer cannot be used would count wrongly all day, so the program does not start with one.
 */
import { readFile } from "node:fs/promises";
import { AppError } from "../../errors.ts";
import { describeFileFailure } from "../../file-failure.ts";

/** Paths, as in `pools[].kv.tokenizer`. */
export interface TokenizerFiles {
  /** `tokenizer.json`. */
  readonly file: string;
  /** `tokenizer_config.json`: names of special tokens, and the template unless `template` has it. */
  readonly config?: string | undefined;
  /** Jinja, alone in a file. */
  readonly template?: string | undefined;
}

/** What the files say. Plain data, so that worker threads can have it too. */
export interface TokenizerSource {
  /** `tokenizer.json`, for messages about it. */
  readonly file: string;
  readonly tokenizer: JsonObject;
  readonly config: JsonObject;
  readonly template: TemplateText | undefined;
}

export interface TemplateText {
  /** For messages about it. */
  readonly file: string;
  readonly text: string;
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** Throws `config_invalid`, with the file and what is wrong with it. */
export async function readTokenizerFiles(files: TokenizerFiles): Promise<TokenizerSource> {
  const tokenizer = await readObject(files.file);
  const config = files.config === undefined ? {} : await readObject(files.config);
  return { file: files.file, tokenizer, config, template: await readTemplate(files, config) };
}

export function unusableFile(path: string, why: string, cause?: unknown): AppError {
  return new AppError("config_invalid", `tokenizer file ${path} cannot be used: ${why}`, { cause });
}

async function readTemplate(
  { template, config: path }: TokenizerFiles,
  { chat_template: inConfig }: JsonObject,
): Promise<TemplateText | undefined> {
  if (template !== undefined) return { file: template, text: await readText(template) };
  if (path === undefined || inConfig === undefined || inConfig === null) return undefined;
  if (typeof inConfig === "string") return { file: path, text: inConfig };
  const named = Array.isArray(inConfig) ? inConfig : [];
  const text = named.find((entry: JsonObject) => entry?.["name"] === "default")?.template;
  if (typeof text === "string") return { file: path, text };
  throw unusableFile(path, "chat_template is neither a text nor a list with one named default");
}

async function readObject(path: string): Promise<JsonObject> {
  const text = await readText(path);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as JsonObject;
    }
  } catch (cause) {
    throw unusableFile(path, "it is not JSON", cause);
  }
  throw unusableFile(path, "it is not a JSON object");
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw unusableFile(path, describeFileFailure(cause), cause);
  }
}
