/** Where the demo's tokenizer lies, for whoever reads it as a model's own files: the engine, and Moorline by its configuration. */
import { join } from "node:path";

export const CORPUS_FILE = join(import.meta.dirname, "corpus.txt");
export const TOKENIZER_FILE = join(import.meta.dirname, "tokenizer.json");
export const TOKENIZER_CONFIG_FILE = join(import.meta.dirname, "tokenizer_config.json");
