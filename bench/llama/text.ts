/** Texts that begin with words which no other has. */
import { readFileSync } from "node:fs";
import { CORPUS_FILE } from "../../demo/engine/tokenizer/files.ts";

const corpus = readFileSync(CORPUS_FILE, "utf8").replaceAll(/[^\x20-\x7e\n]/g, "");

export function textOf(number: number, chars: number): string {
  return `The book of the harbour with the number ${number}.\n${corpus.repeat(1 + Math.ceil(chars / corpus.length))}`.slice(
    0,
    chars,
  );
}
