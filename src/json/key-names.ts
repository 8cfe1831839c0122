/** A set of keys to be recognised among a million others: a key costs a look at its first character, and at what begins with it. */
import { isKey, unescaped } from "./json-paths.ts";
import { BACKSLASH, type JsonText } from "./json-tokens.ts";

/** ASCII, not empty, each once. Numbered by their position. */
export interface KeyNames {
  readonly names: readonly string[];
  /** By the first character. */
  readonly numbers: readonly (readonly number[] | undefined)[];
}

export function compileKeyNames(names: readonly string[]): KeyNames {
  const numbers: number[][] = Array.from({ length: 0x80 }, () => []);
  for (const [number, name] of names.entries()) numbers[name.charCodeAt(0)]?.push(number);
  return { names, numbers };
}

/** The number of the name that a key is, decoded; -1: of none. `at` is behind the opening quote of a valid JSON string. */
export function numberOfKey({ names, numbers }: KeyNames, text: JsonText, at: number): number {
  const first = text.bytes[at] ?? 0;
  const candidates = numbers[first === BACKSLASH ? unescaped(text.bytes, at) : first];
  if (candidates === undefined) return -1;
  for (const number of candidates) if (isKey(names[number] ?? "", text, at)) return number;
  return -1;
}
