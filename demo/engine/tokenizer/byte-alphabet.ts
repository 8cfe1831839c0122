/**
 * The characters that byte-level tokenizers write bytes as, in `tokenizer.json` and while they merge: printable ones stand for
 * themselves, all others for characters from U+0100 on, so that no token holds a space or a control character.
 */

/** By byte. */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

/** Bytes that are text alone: printable ASCII and the line feed. */
export function isPlainText(byte: number): boolean {
  return byte === 0x0a || (byte >= 0x20 && byte <= 0x7e);
}

/** The bytes of UTF-8, each as its character. */
export function writeBytes(text: string): string[] {
  return Array.from(new TextEncoder().encode(text), (byte) => BYTE_CHARACTERS[byte] as string);
}

function byteCharacters(): string[] {
  let replaced = 0;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(isPrintable(byte) ? byte : 0x100 + replaced++),
  );
}

/** In Latin-1, without the spaces and the soft hyphen. */
function isPrintable(byte: number): boolean {
  return (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
}
