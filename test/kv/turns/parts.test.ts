import fc from "fast-check";
import { expect, it } from "vitest";

import { type FreshTokens, partsOf } from "../../../src/kv/turns/parts.ts";

const FRESH: FreshTokens = {
  promptTokens: 100,
  storedTokens: 0,
  maxNewTokens: 50,
  pageSize: 1,
  limitTokens: 1_000,
  cutAtPrompt: false,
};

it.each<[string, Partial<FreshTokens>, number[]]>([
  ["the prompt and all that may come", {}, [150]],
  ["what is not stored of them", { storedTokens: 40 }, [110]],
  ["the prompt and the answer apart", { cutAtPrompt: true, storedTokens: 40 }, [60, 50]],
  ["the answer alone when it is all that is left", { cutAtPrompt: true, storedTokens: 100 }, [50]],
  ["no answer where none may come", { cutAtPrompt: true, maxNewTokens: 0 }, [100]],
  ["whole pages", { pageSize: 64 }, [128]],
  ["pages up to the last whole one of the prompt", { pageSize: 16, cutAtPrompt: true }, [96, 48]],
  ["no part of the prompt below a page", { pageSize: 128, cutAtPrompt: true }, [128]],
  ["nothing where no page is filled", { pageSize: 256 }, []],
  ["the limit, one below the wish", { limitTokens: 149 }, [149]],
  ["the wish at the limit", { limitTokens: 150 }, [150]],
  ["no answer where the limit ends in the prompt", { limitTokens: 60, cutAtPrompt: true }, [60]],
  ["no more than a segment may have", { promptTokens: 2 ** 21, limitTokens: 2 ** 21 }, [2 ** 20]],
  ["nothing where nothing may be stored", { limitTokens: 0 }, []],
])("reserves %s", (_, change, parts) => {
  expect(partsOf({ ...FRESH, ...change })).toEqual(parts);
});

it("reserves whole pages of at least one token each, never above the limit or past what may come", () => {
  const fresh = fc.record({
    promptTokens: fc.nat(5_000),
    stored: fc.nat(100),
    maxNewTokens: fc.nat(3_000),
    pageSize: fc.constantFrom(1, 16, 48, 64),
    limitTokens: fc.nat(4_000),
    cutAtPrompt: fc.boolean(),
  });
  fc.assert(
    fc.property(fresh, ({ stored, ...rest }) => {
      const pages = Math.max(0, Math.ceil(rest.promptTokens / rest.pageSize) - 1);
      const storedTokens = Math.min(stored, pages) * rest.pageSize;
      const parts = partsOf({ ...rest, storedTokens });
      const sum = parts.reduce((total, tokens) => total + tokens, 0);
      expect(parts.every((tokens) => tokens > 0 && tokens % rest.pageSize === 0)).toBe(true);
      expect(sum).toBeLessThanOrEqual(rest.limitTokens);
      expect(storedTokens + sum).toBeLessThanOrEqual(rest.promptTokens + rest.maxNewTokens);
      expect(parts.length).toBeLessThanOrEqual(rest.cutAtPrompt ? 2 : 1);
    }),
  );
});
