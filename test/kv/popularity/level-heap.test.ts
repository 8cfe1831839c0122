import fc from "fast-check";
import { expect, it } from "vitest";

import { LevelHeap } from "../../../src/kv/popularity/level-heap.ts";

const change = fc.record({
  key: fc.integer({ min: 0, max: 20 }),
  level: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
});

it("has the least of all keys at hand, whatever was set, raised, lowered and deleted before", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
      const heap = new LevelHeap<number>();
      const model = new Map<number, number>();
      for (const { key, level } of changes) {
        if (level === undefined) {
          heap.delete(key);
          model.delete(key);
        } else {
          heap.set(key, level);
          model.set(key, level);
        }
        const least = heap.least();
        expect(heap.size).toBe(model.size);
        expect(least === undefined ? Infinity : model.get(least)).toBe(Math.min(...model.values()));
      }
      expect(new Map([...heap.entries()].map(({ key, level }) => [key, level]))).toEqual(model);
      for (const [key, level] of model) expect(heap.level(key)).toBe(level);
    }),
    { numRuns: 300 },
  );
});
