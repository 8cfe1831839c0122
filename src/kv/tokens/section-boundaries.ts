/**
 * Where a text may be cut so that what stands before the cut has the same tokens whatever follows it: behind an added token that is
 * found in the raw text. Added tokens are found from the left, the longest first, so a token
 * that ends here in this text does so in every text that begins the same and has an end of a token here.
 *
 * Where none of them can begin within another one, the same ones are found wherever a look begins. Then the last ones are looked
 * for from the end, and the text before them is not looked at: most tokenizers have tokens such as `<|im_start|>` alone.
 */
import type { AddedToken } from "@huggingface/tokenizers";

/** An added token of a text: what stands before `end` may be encoded alone, and what follows from `start` on. */
export interface SectionBoundary {
  readonly start: number;
  readonly end: number;
}

/** Characters that are looked at before the event loop is everybody's again: well under a millisecond's worth. */
const SCAN_CHARS = 128 * 1024;
/** The first look from the end; each further one is twice as long. */
const LAST_CHARS = 4 * 1024;

export class SectionBoundaries {
  /** Undefined: the tokenizer has no added tokens. */
  readonly #tokens: RegExp | undefined;
  readonly #cutting: ReadonlySet<string>;
  readonly #longest: number;
  readonly #areApart: boolean;

  constructor(sectionTokens: readonly AddedToken[]) {
    const contents = sectionTokens.map(({ content }) => content);
    const longestFirst = contents.toSorted((a, b) => b.length - a.length);
    const pattern = longestFirst.map(escaped).join("|");
    this.#tokens = pattern === "" ? undefined : new RegExp(pattern, "g");
    this.#cutting = new Set(sectionTokens.filter(cuts).map(({ content }) => content));
    this.#longest = longestFirst[0]?.length ?? 0;
    this.#areApart = areApart(contents);
  }

  /** The last ones of the text, at most so many, from left to right. */
  async last(count: number, text: string, rest: () => Promise<void>): Promise<SectionBoundary[]> {
    if (this.#tokens === undefined) return [];
    const found = await (this.#areApart
      ? this.#fromEnd(count, text, rest)
      : this.#fromStart(count, text, rest));
    return found.slice(-count);
  }

  async #fromEnd(count: number, text: string, rest: () => Promise<void>) {
    let found: SectionBoundary[] = [];
    let until = text.length;
    for (let chars = LAST_CHARS; until > 0 && found.length < count; chars *= 2) {
      if (chars >= SCAN_CHARS) await rest();
      const from = Math.max(0, until - Math.min(chars, SCAN_CHARS));
      const before: SectionBoundary[] = [];
      this.#scan(text, { from, until }, before);
      found = [...before.slice(-count), ...found];
      until = from;
    }
    return found;
  }

  async #fromStart(count: number, text: string, rest: () => Promise<void>) {
    const found: SectionBoundary[] = [];
    let from = 0;
    while (from < text.length) {
      if (from > 0) await rest();
      from = this.#scan(text, { from, until: from + SCAN_CHARS }, found);
      if (found.length > count) found.splice(0, found.length - count);
    }
    return found;
  }

  /** Those that start in one slice. Returns where the next slice starts: no token reaches over that. */
  #scan(text: string, { from, until }: Slice, found: SectionBoundary[]): number {
    const slice = text.slice(from, until + this.#longest);
    let end = until;
    for (const match of slice.matchAll(this.#tokens as RegExp)) {
      const start = from + match.index;
      if (start >= until) break;
      const [content] = match;
      if (start + content.length > end) end = start + content.length;
      if (this.#cutting.has(content)) found.push({ start, end: start + content.length });
    }
    return end;
  }
}

interface Slice {
  readonly from: number;
  readonly until: number;
}

/** Whether none can begin within another one. */
function areApart(contents: readonly string[]): boolean {
  const tokens = new Set(contents);
  const lengths = [...new Set(contents.map(({ length }) => length))];
  const beginnings = new Set(contents.flatMap(beginningsOf));
  const beginsToken = (ending: string): boolean =>
    beginnings.has(ending) || lengths.some((length) => tokens.has(ending.slice(0, length)));
  return !contents.some((content) => endingsOf(content).some(beginsToken));
}

/** Each but the whole. */
function beginningsOf(content: string): string[] {
  return Array.from({ length: content.length - 1 }, (_, at) => content.slice(0, at + 1));
}

function endingsOf(content: string): string[] {
  return Array.from({ length: content.length - 1 }, (_, at) => content.slice(at + 1));
}

/**
 * A neighbour that strips takes whitespace from what it stands beside, so a token that has some at its ends may be changed by what
 * follows. What the token itself strips is no harm: it is encoded with what is before it, and again with what is behind it.
 */
function cuts({ content }: AddedToken): boolean {
  return content.trim() === content;
}

function escaped(content: string): string {
  return content.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
