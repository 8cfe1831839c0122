import { describe, expect, it } from "vitest";
import { answer } from "../../../../demo/engine/model/answer.ts";
import type { Answer } from "../../../../demo/engine/model/answer.ts";
import { kvBytesPerToken } from "../../../../demo/engine/model/kv-cache.ts";
import { Model } from "../../../../demo/engine/model/model.ts";
import { SHAPES } from "../../../../demo/engine/model/shape.ts";
import { seededRandom } from "../../../support/random.ts";

const random = seededRandom(5);
const below = (limit: number) => Math.floor(random() * limit);

/** Small enough to answer hundreds of prompts, with every part that the real one has. */
const models = (["bf16", "fp16", "fp32"] as const).map(
  (dtype) => new Model({ ...SHAPES.tiny, dtype }),
);
const newPrompt = (length: number) => Array.from({ length }, () => below(SHAPES.tiny.vocab));
/** Between 0 and `length`, in order. */
const cuts = (length: number, count: number) =>
  Array.from({ length: count }, () => below(length)).toSorted((a, b) => a - b);

describe.each(models.map((model) => [model.shape.dtype, model] as const))("%s", (_, model) => {
  const prompt = newPrompt(97);
  const question = { prompt, maxNewTokens: 12 };
  const cold = answer(model, question);

  /** The cache of the same prompt and its answer, computed in one go. */
  const full = model.newCache();
  answer(model, question, full);

  function answerWith(loaded: readonly (readonly [number, number])[]): Answer {
    const cache = model.newCache();
    for (const [from, to] of loaded) {
      cache.write(full.read(from, to - from), prompt.slice(from, to));
    }
    return answer(model, question, cache);
  }

  it("answers a prompt the same from any slices of it", () => {
    for (let round = 0; round < 20; round++) {
      const cache = model.newCache();
      for (const cut of cuts(prompt.length, 4))
        model.extend(cache, prompt.slice(cache.length, cut));
      expect(answer(model, question, cache)).toEqual(cold);
    }
  });

  it("answers a prompt the same from loaded segments, however they are split", () => {
    for (let round = 0; round < 20; round++) {
      const bounds = [0, ...cuts(prompt.length - 1, 4), prompt.length - 1];
      const segments = bounds.slice(1).map((to, index) => [bounds[index] ?? 0, to] as const);
      expect(answerWith(segments)).toEqual(cold);
    }
  });

  it("answers a prompt the same from a loaded prefix and the rest computed", () => {
    for (let loaded = 0; loaded < prompt.length; loaded += 7) {
      expect(answerWith([[0, loaded]])).toEqual(cold);
    }
  });

  it("answers the same after a truncated other end, and from a copied prefix", () => {
    for (let kept = 0; kept < prompt.length; kept += 7) {
      const cache = full.copyOfPrefix(kept);
      model.extend(cache, newPrompt(70));
      cache.truncate(kept);
      expect(answer(model, question, cache)).toEqual(cold);
    }
  });

  it("reads back the bytes that it loaded", () => {
    const bytes = full.read(0, full.length);
    const cache = model.newCache();
    cache.write(bytes, full.tokens);
    expect(cache.tokens).toEqual(full.tokens);
    expect(cache.read(0, cache.length)).toEqual(bytes);
    expect(cache.read(30, 40)).toEqual(full.read(30, 40));
  });

  it("has keys and values for the prompt and all of the answer but its last token", () => {
    expect(full.tokens).toEqual([...prompt, ...cold.ids.slice(0, -1)]);
    expect(full.read(0, full.length).length).toBe(full.length * kvBytesPerToken(model.shape));
  });

  it("gives another answer when any one bit of a loaded segment is flipped", () => {
    const loaded = prompt.length - 1;
    const bytes = full.read(0, loaded);
    const tokens = prompt.slice(0, loaded);
    const short = { prompt, maxNewTokens: 1 };
    const right = answer(model, short);
    const valueBytes = full.dtype.bytes;
    const mantissaBits = { bf16: 7, fp16: 10, fp32: 23 }[model.shape.dtype];
    for (let round = 0; round < 300; round++) {
      const value = below(bytes.length / valueBytes);
      // The lowest bit of the mantissa is the one that matters least.
      const bit = round < 200 ? 0 : below(mantissaBits);
      const damaged = bytes.slice();
      const at = value * valueBytes + (bit >> 3);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (bit & 7));
      const cache = model.newCache();
      cache.write(damaged, tokens);
      expect(answer(model, short, cache).digest, `bit ${bit} of value ${value}`).not.toBe(
        right.digest,
      );
    }
  });
});
