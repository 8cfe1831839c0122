/** `node demo/engine/tokenizer/write.ts`: writes the tokenizer's two files anew. A test says when that is needed. */
import { readFileSync, writeFileSync } from "node:fs";
import { CORPUS_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "./files.ts";
import { generateTokenizer, generateTokenizerConfig } from "./generate.ts";

write(TOKENIZER_FILE, generateTokenizer(readFileSync(CORPUS_FILE, "utf8")));
write(TOKENIZER_CONFIG_FILE, generateTokenizerConfig());

function write(file: string, content: object): void {
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}
