import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { prefixKeys } from "../../../src/kv/tokens/prefix-keys.ts";
import { settle } from "../../support/fake-clock.ts";

it("names the text before each place, however long it is", async () => {
  const text = `${"a".repeat(300_000)}é👩`;
  const ends = [1, 1, 131_072, 131_073, 300_002];
  const whole = ends.map((end) =>
    createHash("sha256").update(text.slice(0, end), "utf16le").digest("base64"),
  );
  expect(await prefixKeys(text, ends, settle)).toEqual(whole);
});

it("tells halves of a pair from each other", async () => {
  const keys = await Promise.all(
    ["\uD83D", "\uD83E", "\uFFFD"].map((t) => prefixKeys(t, [1], settle)),
  );
  expect(new Set(keys.flat()).size).toBe(3);
});

it("lets others run between slices", async () => {
  let rests = 0;
  await prefixKeys("a".repeat(1_000_000), [1_000_000], () => {
    rests++;
    return settle();
  });
  expect(rests).toBe(7);
});
