/**
 * What an engine's tokenizer is asked where nobody but it tokenises: whether the strings that texts are split at are tokens of their
 * own wherever they stand. A string that is none would have other tokens before it than were stored.
 */
import type { TokenizerProbe } from "./tokenizer-probes.ts";

/** A word, which one may not be found beside; white space, which one may take; and a space, which plain words take. */
const BEFORE = ["x", "x \n", "x "];

/** A plain text, and the same with one and with two of them behind it: plain tokens may be one more, and merge when they are two. */
export function specialProbes(specialTokens: readonly string[]): readonly TokenizerProbe[] {
  return specialTokens.flatMap((special) =>
    BEFORE.flatMap((text) =>
      [0, 1, 2].map((count): TokenizerProbe => {
        const prompt = text + special.repeat(count);
        const name = `special token ${special}`;
        return {
          name,
          request: JSON.stringify({ prompt }),
          ids: count === 0 ? "any" : "one_more",
        };
      }),
    ),
  );
}
