/** The keys of `pools[].kv.prices`: what the pool's tokens are charged with, per million of them. */
import * as z from "zod";
import { integer, text } from "./fields.ts";
import { SECOND_MS, YEAR_MS } from "./units.ts";

const perMillion = z.number().min(0).max(1_000_000);

const currency = text("1..16 visible ASCII characters", (value) =>
  /^[\x21-\x7e]{1,16}$/.test(value),
);

const write = z.strictObject({ ttlMs: integer(SECOND_MS, YEAR_MS), price: perMillion });

/** Ascending, since the first that lasts long enough is the one that is paid. */
const writes = z
  .array(write)
  .max(16)
  .superRefine(
    (entries, context) => {
      for (const [index, { ttlMs }] of entries.entries()) {
        const before = entries[index - 1]?.ttlMs;
        if (before === undefined || ttlMs > before) continue;
        const message = `must be > ${before}, the one before`;
        context.addIssue({ code: "custom", path: [index, "ttlMs"], message });
      }
    },
    { when: ({ issues }) => issues.length === 0 },
  );

export const pricesSchema = z.strictObject({
  currency,
  uncachedInput: perMillion,
  cachedInput: perMillion.nullable().default(null),
  output: perMillion,
  writes: writes.default([]),
  storageHour: perMillion.default(0),
  inputIncludesCached: z.boolean().default(true),
});

export type PriceKeys = z.output<typeof pricesSchema>;
