/** Digests in place of tokens, made up by a client of the tenant so that what it stores would pass for something else. */
import { afterEach, describe, expect, it } from "vitest";

import { createDigests } from "../../../src/digests.ts";
import { PLAIN_START, tokenChain } from "../../../src/kv/chain/chain-format.ts";
import type { Digest } from "../../../src/kv/digest.ts";
import { SequenceChain, type TokenSequence } from "../../../src/kv/turns/token-sequence.ts";
import { session, spans, tokens, turnOf, written } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

const TEXT = "x".repeat(64);

/** Of the text's first step. */
function gridDigest(): Digest {
  const chain = new SequenceChain(tokens(TEXT), tokenChain(1), createDigests());
  return chain.endAt(64)?.digest ?? new Uint8Array(0);
}

const OTHER = new Uint8Array(32).fill(9);

describe.each(CATALOGS)("forged digests over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  it.each<[string, Partial<TokenSequence>]>([
    ["the start of a chain in the middle of it", { grid: [PLAIN_START.digest] }],
    ["the digest of one position at another", { grid: [OTHER, gridDigest()], ids: [] }],
  ])("take no place from honest tokens: %s", async (_, forged) => {
    const bench = await benches.openWith();
    await bench.create("b");
    const prompt = { ...tokens(TEXT), ...forged };
    const plan = await bench.plan("a", prompt, { maxNewTokens: 0 });
    const segments = written(plan, 128);
    for (const segment of segments) await bench.write(segment);
    const engine = async () => undefined;
    await bench.desk.commit({ turn: turnOf(plan), prompt, output: [], segments, engine });
    await bench.desk.settled();
    expect(await bench.catalog.segments(session("a"))).toMatchObject([{ tokenLength: 128 }]);

    await bench.turn("b", TEXT, "");
    expect(bench.seen).not.toContain("settled duplicate");
    expect(spans((await bench.plan("b", `${TEXT}!`)).stored)).toEqual([[0, 64]]);
  });
});
