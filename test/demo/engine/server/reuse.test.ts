import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freshAnswer } from "../../../../demo/engine/oracle.ts";
import { startComputingEngine, tinyOracle } from "../../../support/computing-engine.ts";
import type { ComputingEngine } from "../../../support/computing-engine.ts";
import { post, serverState, someIds, touch } from "../../../support/engine-client.ts";
import type { Json } from "../../../support/engine-client.ts";
import { serveRanges } from "../../../support/range-server.ts";

const BYTES_PER_TOKEN = 256;
const sampling = { max_new_tokens: 20, ignore_eos: true };
const prompt = someIds(300);
const oracle = (ids: readonly number[]) =>
  freshAnswer(tinyOracle, ids, { maxNewTokens: 20, ignoresEos: true });

interface Segment {
  readonly token_start: number;
  readonly token_length: number;
  readonly kv_uri: string;
  readonly kv_start: number;
}

let engine: ComputingEngine;
beforeEach(async () => {
  engine = await startComputingEngine({
    limits: { cacheTokens: 0, pageSize: 16, loadThreshold: 64 },
  });
});
afterEach(async () => engine.close());

async function ask(ids: readonly number[], kv: Json = {}): Promise<Json> {
  const kvcacheParams = { id: "s", ...kv };
  const { body } = await post(engine, "/generate", {
    input_ids: ids,
    sampling_params: sampling,
    kvcache_params: kvcacheParams,
  });
  return body;
}

/** Stores the prompt and its answer. The segments that the engine reports, and the prompt of the next turn. */
async function firstTurn(
  fresh: readonly Segment[],
): Promise<{ stored: Segment[]; next: number[] }> {
  const body = await ask(prompt, { fresh_kvcache: fresh });
  await engine.written();
  const next = [...prompt, ...body.output_ids, ...someIds(30, 9)];
  return { stored: body.kvcache_params.fresh_kvcache, next };
}

type Range = readonly [start: number, length: number];

const segment = (uri: string, [start, length]: Range, kvStart: number): Segment => ({
  token_start: start,
  token_length: length,
  kv_uri: uri,
  kv_start: kvStart,
});

async function flipBit(path: string, atByte: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[atByte] = (bytes[atByte] as number) ^ 1; // the lowest bit of a mantissa
  await writeFile(path, bytes);
}

describe("an answer that reuses KV equals a fresh one to the last bit", () => {
  it("when it was loaded from a file", async () => {
    const uri = await touch(engine, "s");
    const { stored, next } = await firstTurn([segment(uri, [0, 1000], 0)]);
    const body = await ask(next, { stored_kvcache: stored });
    expect(stored).toEqual([{ ...segment(uri, [0, 304], 0), kv_length: 304 * BYTES_PER_TOKEN }]);
    expect(body.meta_info.cached_tokens).toBe(304);
    expect(body.meta_info.logits_digest).toBe(oracle(next).digest);
  });

  it("when it was loaded by HTTP ranges, from within an object", async () => {
    const uri = await touch(engine, "s");
    const { stored, next } = await firstTurn([segment(uri, [0, 1000], 512)]);
    await using server = await serveRanges(await readFile(join(engine.root, "s")));
    const [first] = stored as [Segment];
    const body = await ask(next, { stored_kvcache: [{ ...first, kv_uri: server.url }] });
    expect(server.ranges).toEqual([`bytes=512-${512 + 304 * BYTES_PER_TOKEN - 1}`]);
    expect(body.meta_info.cached_tokens).toBe(304);
    expect(body.meta_info.logits_digest).toBe(oracle(next).digest);
  });

  it("when the engine still holds it", async () => {
    await engine.close();
    engine = await startComputingEngine();
    const first = await ask(prompt);
    const next = [...prompt, ...first.output_ids, ...someIds(30, 9)];
    const body = await ask(next);
    expect(body.meta_info.cached_tokens).toBe(319);
    expect(body.meta_info.logits_digest).toBe(oracle(next).digest);
  });

  it("when it holds a part and loads the rest", async () => {
    const uri = await touch(engine, "s");
    const parts = [segment(uri, [0, 160], 0), segment(uri, [160, 144], 160 * BYTES_PER_TOKEN)];
    const { stored, next } = await firstTurn(parts);
    await using holder = await startComputingEngine({
      root: engine.root,
      limits: { pageSize: 16, loadThreshold: 104 }, // of 304 less 192, which are the whole pages of 200
    });
    const generate = async (ids: readonly number[], kv: object) =>
      (await post(holder, "/generate", { input_ids: ids, sampling_params: sampling, ...kv })).body;
    await generate([...prompt.slice(0, 200), ...someIds(10, 3)], {});
    const body = await generate(next, { kvcache_params: { stored_kvcache: stored } });
    expect(body.meta_info.cached_tokens).toBe(304);
    expect(body.meta_info.logits_digest).toBe(oracle(next).digest);
    expect((await serverState(holder)).loads).toBe(1);
  });

  it("when all of the prompt is stored, but for the last page, which has the logits", async () => {
    const uri = await touch(engine, "s");
    const { stored, next } = await firstTurn([segment(uri, [0, 1000], 0)]);
    const all = next.slice(0, 304);
    const body = await ask(all, { stored_kvcache: stored });
    expect(body.meta_info.cached_tokens).toBe(288);
    expect(body.meta_info.logits_digest).toBe(oracle(all).digest);
  });

  it("when it was stored in several parts, in several files, one of them shared by two sessions", async () => {
    const [one, two] = [await touch(engine, "one"), await touch(engine, "two")];
    const fresh = [
      segment(one, [0, 96], 0),
      segment(two, [96, 32], 0),
      segment(one, [128, 500], 96 * BYTES_PER_TOKEN),
      segment(two, [628, 16], 9_999),
    ];
    const { stored, next } = await firstTurn(fresh);
    expect(stored.map(({ token_start: start, token_length: length }) => [start, length])).toEqual([
      [0, 96],
      [96, 32],
      [128, 176],
    ]);
    const other = [...prompt.slice(0, 130), ...someIds(60, 7)];
    for (const [ids, list] of [
      [next, stored],
      [other, stored.slice(0, 2)],
    ] as const) {
      const body = await ask(ids, { stored_kvcache: list });
      expect(body.meta_info.cached_tokens).toBe(list.length === 3 ? 304 : 128);
      expect(body.meta_info.logits_digest).toBe(oracle(ids).digest);
    }
  });

  it("when a turn goes on where the one before it stored", async () => {
    const uri = await touch(engine, "s");
    const { stored, next } = await firstTurn([segment(uri, [0, 1000], 0)]);
    const fresh = [segment(uri, [304, 1000], 304 * BYTES_PER_TOKEN)];
    const second = await ask(next, { stored_kvcache: stored, fresh_kvcache: fresh });
    await engine.written();
    const third = [...next, ...second.output_ids, ...someIds(30, 11)];
    const both = [...stored, ...second.kvcache_params.fresh_kvcache];
    const body = await ask(third, { stored_kvcache: both });
    expect(body.meta_info.cached_tokens).toBe(368); // 350 + 19 that have KV, in whole pages
    expect(body.meta_info.logits_digest).toBe(oracle(third).digest);
  });
});

describe("bytes that are not what was stored", () => {
  it.each([0, 150 * BYTES_PER_TOKEN, 304 * BYTES_PER_TOKEN - 2])(
    "change the digest, be it one bit at byte %i",
    async (atByte) => {
      const uri = await touch(engine, "s");
      const { stored, next } = await firstTurn([segment(uri, [0, 1000], 0)]);
      await flipBit(join(engine.root, "s"), atByte);
      const body = await ask(next, { stored_kvcache: stored });
      expect(body.meta_info.cached_tokens).toBe(304);
      expect(body.meta_info.logits_digest).not.toBe(oracle(next).digest);
    },
  );
});

describe("a load that fails", () => {
  const failures: [string, (stored: readonly Segment[]) => unknown][] = [
    ["the file is gone", ([first]) => [{ ...first, kv_uri: "file:///gone" }]],
    ["the object lies behind the end", ([first]) => [{ ...first, kv_start: 1 }]],
    ["nobody knows the scheme", ([first]) => [{ ...first, kv_uri: "gd2fs:///s" }]],
    ["nobody listens there", ([first]) => [{ ...first, kv_uri: "http://127.0.0.1:1/s" }]],
    ["it is not whole pages", ([first]) => [{ ...first, token_length: 303 }]],
    ["it is not above the threshold", ([first]) => [{ ...first, token_length: 64 }]],
    [
      "it does not begin at the first token",
      ([first]) => [{ ...first, token_start: 16, token_length: 288 }],
    ],
  ];

  it.each(failures)("is told to nobody, and the prompt computed: %s", async (_why, spoil) => {
    const uri = await touch(engine, "s");
    const { stored, next } = await firstTurn([segment(uri, [0, 1000], 0)]);
    const body = await ask(next, { stored_kvcache: spoil(stored) });
    expect(body.meta_info.cached_tokens).toBe(0);
    expect(body.meta_info.logits_digest).toBe(oracle(next).digest);
  });

  it("is one of a file that has become shorter", async () => {
    const uri = await touch(engine, "s");
    const { stored, next } = await firstTurn([segment(uri, [0, 1000], 0)]);
    await truncate(join(engine.root, "s"), 304 * BYTES_PER_TOKEN - 1);
    const body = await ask(next, { stored_kvcache: stored });
    expect(body.meta_info.cached_tokens).toBe(0);
    expect(body.meta_info.logits_digest).toBe(oracle(next).digest);
    expect((await serverState(engine)).failed_loads).toBe(1);
  });

  it("is one of a server that does not answer the range", async () => {
    const uri = await touch(engine, "s");
    const { stored, next } = await firstTurn([segment(uri, [0, 1000], 0)]);
    await using server = await serveRanges(new Uint8Array(304 * BYTES_PER_TOKEN - 1));
    const [first] = stored as [Segment];
    const body = await ask(next, { stored_kvcache: [{ ...first, kv_uri: server.url }] });
    expect(body.meta_info.cached_tokens).toBe(0);
    expect(body.meta_info.logits_digest).toBe(oracle(next).digest);
  });

  it("is one of a server that answers something else", async () => {
    const uri = await touch(engine, "s");
    const { stored, next } = await firstTurn([segment(uri, [0, 1000], 0)]);
    await using server = await serveRanges(new Uint8Array(304 * BYTES_PER_TOKEN), 200);
    const [first] = stored as [Segment];
    const body = await ask(next, { stored_kvcache: [{ ...first, kv_uri: server.url }] });
    expect(body.meta_info.cached_tokens).toBe(0);
    expect(body.meta_info.logits_digest).toBe(oracle(next).digest);
  });
});

describe("the scenario of SGLang's own test of its explicit cache", () => {
  const settings = { temperature: 0, max_new_tokens: 150, ignore_eos: true };

  /** Page 64, 768 tokens, 150 new ones, a flush, and then all of that again with nothing added. */
  async function playScenario(first: object, second: (answer: Json) => object): Promise<Json> {
    await using server = await startComputingEngine({ limits: { pageSize: 64 } });
    const uri = await touch(server, "test_exkvcache");
    const turn = async (prompt: object, kvcacheParams: object) => {
      const asked = { ...prompt, sampling_params: settings, kvcache_params: kvcacheParams };
      return (await post(server, "/generate", asked)).body;
    };
    const answer = await turn(first, { fresh_kvcache: [segment(uri, [0, 1024], 0)] });
    const stored = answer.kvcache_params.fresh_kvcache;
    await server.written();
    await server.flush();
    const { token_length: end, kv_length: kvEnd } = stored[0];
    const fresh = [segment(uri, [end, 1024], kvEnd)];
    return await turn(second(answer), { stored_kvcache: stored, fresh_kvcache: fresh });
  }

  it("finds more than 800 tokens on the second turn, given texts", async () => {
    const text = tinyOracle.tokenizer.decode(someIds(768));
    const body = await playScenario({ text }, (answer) => ({ text: text + answer.text }));
    expect(body.meta_info.cached_tokens).toBeGreaterThan(800);
  });

  it("finds all whole pages, and answers as a fresh engine, given ids", async () => {
    const ids = someIds(768);
    let again: number[] = [];
    const body = await playScenario({ input_ids: ids }, (answer) => {
      again = [...ids, ...answer.output_ids];
      return { input_ids: again };
    });
    expect(body.meta_info.cached_tokens).toBe(896);
    const fresh = freshAnswer(tinyOracle, again, { maxNewTokens: 150, ignoresEos: true });
    expect(body.meta_info.logits_digest).toBe(fresh.digest);
  });
});
