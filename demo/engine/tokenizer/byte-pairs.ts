/**
 * Learns the merges of a byte-pair vocabulary: again and again the most frequent pair of neighbours becomes one token. Nothing is
 * split into words first, so merges cross word ends, spaces and line ends, and the tokens of a text depend on what stands beside it.
 */

export type Merge = readonly [left: string, right: string];

export interface LearnOptions {
  /** Distinct tokens to learn, beside single characters. */
  readonly tokens: number;
  /** Characters of the longest; without it, a small text would be learned by heart. */
  readonly longest: number;
}

/** In the order in which a tokenizer applies them. Equally frequent pairs come in the order of their characters. */
export function learnMerges(texts: readonly (readonly string[])[], options: LearnOptions): Merge[] {
  let rest = texts;
  const merges: Merge[] = [];
  const learned = new Set<string>();
  while (learned.size < options.tokens) {
    const merge = mostFrequentPair(rest, options.longest);
    if (merge === undefined)
      throw new RangeError(`the text has only ${learned.size} tokens to learn`);
    rest = rest.map((text) => applyMerge(text, merge));
    merges.push(merge);
    learned.add(merge[0] + merge[1]);
  }
  return merges;
}

function mostFrequentPair(
  texts: readonly (readonly string[])[],
  longest: number,
): Merge | undefined {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const [at, left] of text.entries()) {
      const right = text[at + 1];
      if (right === undefined || left.length + right.length > longest) continue;
      // No character of the byte alphabet is a space.
      const pair = `${left} ${right}`;
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
  }
  let best: string | undefined;
  let most = 1;
  for (const [pair, count] of counts) {
    if (count < most || (count === most && (best === undefined || pair > best))) continue;
    if (count === 1) continue;
    best = pair;
    most = count;
  }
  if (best === undefined) return undefined;
  const [left = "", right = ""] = best.split(" ");
  return [left, right];
}

function applyMerge(text: readonly string[], [left, right]: Merge): string[] {
  const merged: string[] = [];
  for (let at = 0; at < text.length; at++) {
    const isPair = text[at] === left && text[at + 1] === right;
    merged.push(isPair ? left + right : (text[at] as string));
    if (isPair) at++;
  }
  return merged;
}
