/** Names for the beginnings of a text, by which ids are found again without keeping the text. */
import { createHash } from "node:crypto";

/** Characters that are hashed before the event loop is everybody's again: about a millisecond's worth. */
const HASH_CHARS = 128 * 1024;

/** The SHA-256 of the text before each of these places, which come from left to right. */
export async function prefixKeys(
  text: string,
  ends: readonly number[],
  rest: () => Promise<void>,
): Promise<string[]> {
  const hash = createHash("sha256");
  const keys: string[] = [];
  let at = 0;
  for (const end of ends) {
    while (at < end) {
      const next = Math.min(end, at + HASH_CHARS);
      hash.update(text.slice(at, next), "utf16le"); // UTF-8 has no halves of a pair: they would all be one
      if (next < end) await rest();
      at = next;
    }
    keys.push(hash.copy().digest("base64"));
  }
  return keys;
}
