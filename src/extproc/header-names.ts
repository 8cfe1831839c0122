/**
 * The few header names that the product reads, compiled once. A message carries 15-30 headers and a request needs about ten, so
 * names are matched on the bytes, by length first, and only the values of wanted headers ever become strings.
 */

interface Candidate {
  readonly name: string;
  readonly index: number;
}

export class HeaderNames {
  readonly names: readonly string[];
  /** Candidates by name length; most lengths have none. */
  readonly #byLength: (readonly Candidate[] | undefined)[] = [];

  /** Names are lower-case and distinct; the index of a value is the index of its name. */
  constructor(names: readonly string[]) {
    this.names = names;
    names.forEach((name, index) => {
      this.#byLength[name.length] = [...(this.#byLength[name.length] ?? []), { name, index }];
    });
  }

  /** Index of the name that lies in `bytes` at `[at, at + length)`, whatever its case, or -1. */
  indexOf(bytes: Uint8Array, at: number, length: number): number {
    const candidates = this.#byLength[length];
    if (candidates === undefined) return -1;
    for (const candidate of candidates) {
      if (isName(candidate.name, bytes, at)) return candidate.index;
    }
    return -1;
  }
}

function isName(name: string, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < name.length; i++) {
    let byte = bytes[at + i] ?? 0;
    if (byte >= 0x41 && byte <= 0x5a) byte += 0x20;
    if (byte !== name.charCodeAt(i)) return false;
  }
  return true;
}
