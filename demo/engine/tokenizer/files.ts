/** Where the demo's tokenizer lies, for whoever reads it as a model's own files: the engine, and Moorline by its configuration. */
import { copyFile } from "node:fs/promises";
import { basename, join } from "node:path";

export const CORPUS_FILE = join(import.meta.dirname, "corpus.txt");
export const TOKENIZER_FILE = join(import.meta.dirname, "tokenizer.json");
export const TOKENIZER_CONFIG_FILE = join(import.meta.dirname, "tokenizer_config.json");

/** As in Moorline's configuration, under `pools[].kv.tokenizer`. */
export interface TokenizerFiles {
  readonly file: string;
  readonly config: string;
}

export const tokenizerFiles: TokenizerFiles = {
  file: TOKENIZER_FILE,
  config: TOKENIZER_CONFIG_FILE,
};

/** For a Moorline that reads nothing but one folder, as in a container. */
export async function copyTokenizer(folder: string): Promise<TokenizerFiles> {
  const copy = async (file: string) => {
    const path = join(folder, basename(file));
    await copyFile(file, path);
    return path;
  };
  return { file: await copy(TOKENIZER_FILE), config: await copy(TOKENIZER_CONFIG_FILE) };
}
