/** What no plan looks for, the scrubber finds: bytes that were changed while the file's times said nothing. */
import { open, readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { until } from "../support/until.ts";
import { ServiceTurns, tokensOf } from "./service-turns.ts";

const PROMPT = tokensOf(128);

describe("a scrubber that comes by every second", { timeout: 60_000 }, () => {
  let turns: ServiceTurns;
  beforeEach(async () => {
    const verify = "{ quietMs: 20, settleMaxMs: 400, probeTimeoutMs: 100, scrubIntervalMs: 1000 }";
    turns = await ServiceTurns.open({ sections: { verify } });
    await turns.create("a");
  });
  afterEach(() => turns.close());

  it("drops a segment with a flipped bit, in a file that changes by right while a reservation is open", async () => {
    const { service } = turns;
    const { parts } = await turns.turn({ session: "a", prompt: PROMPT, output: [] });
    const [placed] = parts;
    const open = await turns.plan("a", [...PROMPT, 1], 64);
    expect(open).toMatchObject({
      stored_tokens: 128,
      fresh_kv_cache: [{ kv_uri: placed?.kv_uri }],
    });
    await flipBit(service.pathOf(placed?.kv_uri ?? ""), 4711);
    await until(
      async () => (await service.metric("kv_scrubbed_total", { result: "crc" })) === 1,
      30_000,
    );
    const fork = await turns.fork("a");
    expect(await turns.plan(fork, [...PROMPT, 1])).toMatchObject({ stored_tokens: 0 });
  });

  it("finds what is whole whole, round after round", async () => {
    const { service } = turns;
    await turns.turn({ session: "a", prompt: PROMPT, output: [] });
    await until(
      async () => (await service.metric("kv_scrubbed_total", { result: "ok" })) >= 3,
      30_000,
    );
    expect(await turns.plan("a", [...PROMPT, 1])).toMatchObject({ stored_tokens: 128 });
  });
});

async function flipBit(path: string, at: number): Promise<void> {
  const byte = (await readFile(path)).subarray(at, at + 1);
  const file = await open(path, "r+");
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
  await file.close();
}
