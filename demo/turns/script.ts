/** What the conversations of the second half are about: each reads a document of its own, and asks about it. */
import { readFileSync } from "node:fs";
import { CORPUS_FILE } from "../engine/tokenizer/files.ts";

const places = ["Lisbon", "Bergen", "Trieste", "Oban", "Gdansk", "Izmir", "Porto", "Malmo"];
/** At most as many as there are places. Each is about 1,100 tokens, and begins with words that no other has. */
export function documents(count: number): readonly string[] {
  const lines = readFileSync(CORPUS_FILE, "utf8").trim().split("\n");
  return places.slice(0, count).map((place, index) => {
    const turned = [...lines.slice(index), ...lines.slice(0, index)];
    return `The book of the harbour of ${place}.\n${turned.join("\n")}`;
  });
}

export const questions = [
  "\nWhat does the harbour master do?\n",
  "\nAnd when the wind changes?\n",
  "\nSay it again in other words.\n",
  "\nWho keeps the book of all ships?\n",
] as const;
