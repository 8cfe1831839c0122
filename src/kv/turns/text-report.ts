/**
 * What an engine wrote for a text, as segments that may be listed. It has written the answer as well, up to the room that it had, and
 * nobody but it knows where in the tokens the text ends: `text-ends.ts` says what is known all the same.
 */
import { AppError } from "../../errors.ts";
import { type TextCut, textCuts, textEnds, type WrittenTokens } from "../text/text-ends.ts";
import type { IndexedChain, PromptIndex } from "./prompt-index.ts";
import type { SegmentCut } from "./segment-cutter.ts";
import type { CountedText } from "./token-sequence.ts";

export class TextReport {
  readonly #prompt: CountedText;
  readonly #index: PromptIndex;
  readonly #pageSize: number;

  constructor(prompt: CountedText, index: PromptIndex, pageSize: number) {
    this.#prompt = prompt;
    this.#index = index;
    this.#pageSize = pageSize;
  }

  /** Of the segment `[start, end)`, as if it ended with the part of it that is listed last. */
  chainOf(start: number, end: number): IndexedChain {
    const cuts = this.#cuts({ tokenStart: start, tokenLength: end - start });
    return this.#chain(this.#before, cuts.at(-1)?.at ?? this.#prompt.text.bytes.length);
  }

  /** Empty: none of it may be listed. */
  cutsOf(written: WrittenTokens): readonly SegmentCut[] | "whole" {
    const cuts = this.#cuts(written);
    if (cuts.length === 1 && cuts[0]?.tokenLength === written.tokenLength) return "whole";
    let before = this.#before;
    return cuts.map(({ at, tokenLength }) => {
      const indexed = this.#chain(before, at);
      const { grid, leaf } = indexed.chain.end;
      before = leaf?.digest ?? grid;
      return { tokenLength, ...indexed };
    });
  }

  get #before() {
    return this.#prompt.storedEnd ?? this.#index.start;
  }

  #cuts(written: WrittenTokens): readonly TextCut[] {
    const { text, promptTokens } = this.#prompt;
    return textCuts(textEnds(text, promptTokens), written, this.#pageSize);
  }

  #chain(before: ReturnType<PromptIndex["keyAt"]> | undefined, at: number): IndexedChain {
    const indexed = before && this.#index.chainFrom(before, at);
    if (indexed !== undefined) return indexed;
    throw new AppError("internal", `a text has no end at byte ${at}`);
  }
}
