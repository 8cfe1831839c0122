/** The example of `seeds/sglang-session-kv-cache-design.txt`, to the byte. */
import { afterEach, describe, expect, it } from "vitest";

import type { TurnPolicy } from "../../../src/kv/turns/turn-desk.ts";
import { freshOf, spans, type TurnBench } from "../../support/turn-bench.ts";
import { QWEN3_8B } from "../model/profiles.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

const SESSION = "session-97f1226c-e752-4961-a858-432814b5dce0";
const URI = `file:///${SESSION}`;
/** Enough of a conversation to take prompts from. */
const TEXT = Array.from({ length: 4_000 }, (_, at) => String.fromCharCode(97 + (at % 23))).join("");

describe.each(CATALOGS)("the seed's example over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  async function openSeed(profile = QWEN3_8B, policy: Partial<TurnPolicy> = {}) {
    const bench = await benches.open({ profile, policy });
    await bench.create(SESSION, profile.id);
    return bench;
  }

  /** A turn that reserves exactly `end` - `start` tokens and reports that many. */
  async function turn(bench: TurnBench, end: number) {
    const prompt = TEXT.slice(0, end - 10);
    return bench.turn(SESSION, prompt, TEXT.slice(end - 10, end));
  }

  it("gives exactly its two lists", async () => {
    const bench = await openSeed();
    await turn(bench, 113);
    await turn(bench, 213);

    // 213 tokens of the prompt are not stored, and 1,000 more may come: the reservation of 1,213 is its length, not its end.
    const plan = await bench.plan(SESSION, TEXT.slice(0, 426), { maxNewTokens: 1_000 });
    expect(plan.stored).toEqual([
      { tokenStart: 0, tokenLength: 113, kvUri: URI, kvStart: 0 },
      { tokenStart: 113, tokenLength: 100, kvUri: URI, kvStart: 16_662_528 },
    ]);
    expect(freshOf(plan)).toEqual([
      { tokenStart: 213, tokenLength: 1_213, kvUri: URI, kvStart: 31_408_128 },
    ]);
    expect(await bench.sizeOf(URI)).toBe((213 + 1_213) * 147_456);
    expect(plan).toMatchObject({ storedTokens: 213, limit: "end_of_stored" });
  });

  it("goes on at the end of a reservation of which only half was used", async () => {
    const bench = await openSeed();
    const first = await bench.plan(SESSION, TEXT.slice(0, 100), { maxNewTokens: 100 });
    expect(spans(freshOf(first))).toEqual([[0, 200]]);
    await bench.commit(first, [TEXT.slice(0, 100), ""]);
    await bench.desk.settled();

    const second = await bench.plan(SESSION, TEXT.slice(0, 150));
    expect(spans(second.stored)).toEqual([[0, 100]]);
    expect(freshOf(second)).toMatchObject([{ tokenStart: 100, kvStart: 200 * 147_456 }]);
  });

  it("lists and reserves whole pages above the threshold where the model asks for them [j]", async () => {
    const bench = await openSeed({ ...QWEN3_8B, pageSize: 64, loadThreshold: 256 });
    // 113 tokens are one page and 49 tokens that no engine stores.
    const first = await bench.plan(SESSION, TEXT.slice(0, 113), { maxNewTokens: 100 });
    expect(spans(freshOf(first))).toEqual([[0, 192]]);
    await bench.commit(first, [TEXT.slice(0, 113), TEXT.slice(113, 192)]);
    await bench.desk.settled();

    const below = await bench.plan(SESSION, TEXT.slice(0, 250), { maxNewTokens: 80 });
    expect(below).toMatchObject({ stored: [], storedTokens: 0, limit: "below_threshold" });
    expect(spans(freshOf(below))).toEqual([[0, 320]]);
    await bench.commit(below, [TEXT.slice(0, 250), TEXT.slice(250, 320)]);
    await bench.desk.settled();

    const above = await bench.plan(SESSION, TEXT.slice(0, 400), { maxNewTokens: 0 });
    expect(spans(above.stored)).toEqual([[0, 320]]);
    expect(spans(freshOf(above))).toEqual([[320, 64]]);
    expect(freshOf(above)).toMatchObject([{ kvStart: (192 + 320) * 147_456 }]);
  });

  it("cuts the reservation at the last whole page of the prompt", async () => {
    const paged = { ...QWEN3_8B, pageSize: 64, loadThreshold: 256 };
    const bench = await openSeed(paged, { cutAtPrompt: true });
    const plan = await bench.plan(SESSION, TEXT.slice(0, 150), { maxNewTokens: 200 });
    expect(freshOf(plan)).toEqual([
      { tokenStart: 0, tokenLength: 128, kvUri: URI, kvStart: 0 },
      { tokenStart: 128, tokenLength: 192, kvUri: URI, kvStart: 128 * 147_456 },
    ]);
  });
});
