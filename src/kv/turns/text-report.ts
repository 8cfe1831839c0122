/**
 * What an engine wrote for a text, as segments that may be listed. It has written the answer as well, up to the room that it had, and
 * nobody but it knows where in the tokens the text ends: `text-ends.ts` says what is known all the same.
 */
import { AppError } from "../../errors.ts";
import { indexPlace } from "../chain/chain-place.ts";
import { indexKey } from "../chain/index-key.ts";
import type { Digest, Digests } from "../digest.ts";
import type { ChainPlace } from "../records.ts";
import { textCuts } from "../text/text-ends.ts";
import type { IndexedChain } from "./prompt-index.ts";
import type { SegmentCut } from "./segment-cutter.ts";
import type { Setting } from "./settings.ts";
import type { CountedText, PlannedEnd } from "./token-sequence.ts";

interface Written {
  readonly tokenStart: number;
  readonly tokenLength: number;
}

export class TextReport {
  readonly #prompt: CountedText;
  readonly #setting: Pick<Setting, "tenant" | "model">;
  readonly #digests: Digests;
  /** Of the text itself. */
  readonly #last: PlannedEnd;

  constructor(prompt: CountedText, setting: Pick<Setting, "tenant" | "model">, digests: Digests) {
    const last = prompt.ends.at(-1);
    if (last === undefined) throw new AppError("internal", "a text has no end");
    this.#prompt = prompt;
    this.#setting = setting;
    this.#digests = digests;
    this.#last = last;
  }

  /** As of the index of its plan, at the end of the text. */
  get key(): Digest {
    const { tenant, model } = this.#setting;
    const end = { digest: digestOf(this.#last.place) };
    return indexKey(tenant.key, { geometry: model.geometry("text"), end }, this.#digests);
  }

  /** Of the segment `[start, end)`, as if it ended with the part of it that is listed last. */
  chainOf(start: number, end: number): IndexedChain {
    const cuts = this.#cuts({ tokenStart: start, tokenLength: end - start });
    return this.#chain(this.#prompt.before, cuts.at(-1) ?? this.#last);
  }

  /** Empty: none of it may be listed. */
  cutsOf(written: Written): readonly SegmentCut[] | "whole" {
    const cuts = this.#cuts(written);
    if (cuts.length === 1 && cuts[0]?.tokenLength === written.tokenLength) return "whole";
    let { before } = this.#prompt;
    return cuts.map((cut) => {
      const indexed = this.#chain(before, cut);
      before = digestOf(cut.place);
      return { tokenLength: cut.tokenLength, ...indexed };
    });
  }

  #cuts({ tokenStart, tokenLength }: Written) {
    const { ends, promptTokens } = this.#prompt;
    const { pageSize } = this.#setting.model.rules;
    return textCuts(ends, { promptTokens, tokenStart, tokenLength }, pageSize);
  }

  #chain(before: Digest, { place }: PlannedEnd): IndexedChain {
    const { tenant, model } = this.#setting;
    const keyed = { geometry: model.geometry("text"), place };
    return {
      chain: { before, end: place },
      place: indexPlace(tenant.key, keyed, this.#digests),
    };
  }
}

function digestOf({ grid, leaf }: ChainPlace): Digest {
  return leaf?.digest ?? grid;
}
