import { describe, expect, it } from "vitest";
import { answer } from "../../../../demo/engine/model/answer.ts";
import { LogitsDigest } from "../../../../demo/engine/model/logits-digest.ts";
import { argmax, Model } from "../../../../demo/engine/model/model.ts";
import { SHAPES } from "../../../../demo/engine/model/shape.ts";
import { SPECIAL_TOKENS } from "../../../../demo/engine/tokenizer/vocabulary.ts";

const model = new Model(SHAPES.tiny);
const prompt = Array.from({ length: 80 }, (_, at) => (at * at + 7 * at) % 350);
const logitsOf = (tokens: readonly number[], of = model) =>
  Float64Array.from(of.forward(of.newCache(), tokens));

describe.each([SHAPES.tiny, SHAPES.small])("a $name model", (shape) => {
  const of = new Model(shape);

  it("is the same whenever it is made, and another for another seed", () => {
    expect(logitsOf(prompt, new Model(shape))).toEqual(logitsOf(prompt, of));
    expect(logitsOf(prompt, new Model({ ...shape, seed: 2 }))).not.toEqual(logitsOf(prompt, of));
  });

  it("has logits that differ with every earlier token", () => {
    const half = prompt.slice(0, 40);
    const right = logitsOf(half, of);
    for (const [at, token] of half.entries()) {
      expect(logitsOf(half.with(at, token + 1), of), `token ${at}`).not.toEqual(right);
    }
  });

  it("has other keys and values for the same tokens in another place", () => {
    const cache = of.newCache();
    of.extend(cache, [5, 9, 5, 9]);
    expect(cache.read(0, 2)).not.toEqual(cache.read(2, 2));
  });

  it("has some key and some value that is not zero in each row of each layer", () => {
    const cache = of.newCache();
    const tokens = Array.from({ length: shape.vocab }, (_, id) => id);
    of.extend(cache, tokens);
    const rowBytes = cache.rowLength * cache.dtype.bytes;
    const bytes = Buffer.from(cache.read(0, tokens.length));
    const zeros = Buffer.alloc(rowBytes);
    for (let at = 0; at < bytes.length; at += rowBytes) {
      expect(zeros.equals(bytes.subarray(at, at + rowBytes)), `row at byte ${at}`).toBe(false);
    }
  });

  it("does not fall into a loop at once", () => {
    const { ids } = answer(of, { prompt, maxNewTokens: 50 });
    expect(new Set(ids).size).toBeGreaterThan(20);
  });
});

describe("a model", () => {
  it("refuses ids that it does not have, and takes the last one", () => {
    const cache = model.newCache();
    for (const id of [-1, 512, 1.5, Number.NaN]) {
      expect(() => model.extend(cache, [5, id])).toThrow("must be an integer from 0 to 511");
    }
    expect(cache.length).toBe(0);
    model.extend(cache, [511]);
    expect(cache.tokens).toEqual([511]);
  });

  it("has no logits without a token", () => {
    expect(() => model.forward(model.newCache(), [])).toThrow("there is none");
  });

  it("serves two caches in turns as it serves each alone", () => {
    const [first, second] = [model.newCache(), model.newCache()];
    for (const [at, token] of prompt.entries()) {
      model.extend(first, [token]);
      model.extend(second, [prompt[prompt.length - 1 - at] ?? 0]);
    }
    expect(answer(model, { prompt: [...prompt, 3], maxNewTokens: 5 }, first)).toEqual(
      answer(model, { prompt: [...prompt, 3], maxNewTokens: 5 }),
    );
    expect(answer(model, { prompt: [...prompt.toReversed(), 3], maxNewTokens: 5 }, second)).toEqual(
      answer(model, { prompt: [...prompt.toReversed(), 3], maxNewTokens: 5 }),
    );
  });

  it("samples text only, or what ends an answer", () => {
    const { ids } = answer(model, { prompt, maxNewTokens: 300 });
    expect(Math.max(...ids)).toBeLessThan(SHAPES.tiny.spoken);
  });

  it("goes on computing with bytes that are no numbers, as real engines do", () => {
    const cache = model.newCache();
    cache.write(new Uint8Array(256 * 20).fill(0xff), prompt.slice(0, 20));
    const { ids } = answer(model, { prompt, maxNewTokens: 2 }, cache);
    expect(ids).toEqual([0, 0]);
    expect(cache.read(0, 20)).toEqual(new Uint8Array(256 * 20).fill(0xff));
  });

  it.each([
    [{ hidden: 30 }, "hidden 30 must be a multiple of 4"],
    [{ layers: 0 }, "layers 0 must be a positive integer"],
    [{ heads: 3 }, "heads 3 must be a multiple of kvHeads 2"],
    [{ spoken: 513 }, "spoken 513 must be <= vocab 512"],
  ])("cannot have the shape %o", (change, message) => {
    expect(() => new Model({ ...SHAPES.tiny, ...change })).toThrow(message);
  });
});

describe("an answer", () => {
  const long = answer(model, { prompt, maxNewTokens: 40 });

  it("ends with the first id that stops it", () => {
    const stop = long.ids[7] ?? 0;
    const ids = long.ids.slice(0, long.ids.indexOf(stop) + 1);
    expect(answer(model, { prompt, maxNewTokens: 40, stopIds: [stop] }).ids).toEqual(ids);
  });

  it("begins as a longer one, with another digest", () => {
    const short = answer(model, { prompt, maxNewTokens: 10 });
    expect(short.ids).toEqual(long.ids.slice(0, 10));
    expect(short.digest).not.toBe(long.digest);
  });
});

describe("argmax", () => {
  it("is the lowest id of the largest logits, among those that may be sampled", () => {
    expect(argmax(Float64Array.of(1, 3, 3, 9), 3)).toBe(1);
    expect(argmax(Float64Array.of(1, 3, 3, 9), 4)).toBe(3);
  });

  it("is the first id where no logit is a number", () => {
    expect(argmax(Float64Array.of(NaN, NaN), 2)).toBe(SPECIAL_TOKENS.eos.id);
  });
});

describe("LogitsDigest", () => {
  it("differs with the last bit of any logit, and with the sign of zero", () => {
    const hexes = [[1, 0], [1 + Number.EPSILON, 0], [1, -0], [1]].map((logits) => {
      const digest = new LogitsDigest();
      digest.add(Float64Array.from(logits));
      return digest.hex();
    });
    expect(new Set(hexes).size).toBe(4);
    expect(hexes[0]).toMatch(/^[0-9a-f]{32}$/);
  });

  it("tells the steps so far, and goes on", () => {
    const digest = new LogitsDigest();
    digest.add(Float64Array.of(1));
    const first = digest.hex();
    expect(digest.hex()).toBe(first);
    digest.add(Float64Array.of(2));
    expect(digest.hex()).not.toBe(first);
  });
});
