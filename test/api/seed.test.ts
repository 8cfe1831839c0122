/** The example of `seeds/sglang-session-kv-cache-design.txt` over HTTP, to the byte. */
import { afterEach, describe, expect, it } from "vitest";

import { QWEN3_8B } from "../kv/model/profiles.ts";
import { CATALOGS } from "../kv/turns/catalogs.ts";
import type { ApiOptions } from "./api-bench.ts";
import { ApiBenches } from "./api-benches.ts";

const SESSION = "session-97f1226c-e752-4961-a858-432814b5dce0";
const URI = `file:///${SESSION}`;
const TEXT = Array.from({ length: 4_000 }, (_, at) => String.fromCharCode(97 + (at % 23))).join("");

describe.each(CATALOGS)("the seed's example over HTTP and the $name catalog", (kind) => {
  const benches = new ApiBenches(kind);
  afterEach(() => benches.close());

  async function open(options: ApiOptions) {
    const bench = await benches.open(options);
    const client = bench.client();
    await client.POST("/v1/sessions", { body: { id: SESSION, model: QWEN3_8B.id } });
    return { bench, client };
  }

  it("gives exactly its two lists", async () => {
    const { bench, client } = await open({ profile: QWEN3_8B });
    await bench.turn(client, SESSION, [TEXT.slice(0, 103), TEXT.slice(103, 113)]);
    await bench.turn(client, SESSION, [TEXT.slice(0, 203), TEXT.slice(203, 213)]);

    // The reservation of 1,213 is its length, not its end: 213 tokens of the prompt, and up to 1,000 more.
    const plan = await bench.plan(client, SESSION, [TEXT.slice(0, 426), 1_000]);
    expect(plan).toEqual({
      turn: expect.stringMatching(/^turn/),
      stored_kv_cache: [
        { token_start: 0, token_length: 113, kv_uri: URI, kv_start: 0 },
        { token_start: 113, token_length: 100, kv_uri: URI, kv_start: 16_662_528 },
      ],
      fresh_kv_cache: [
        { token_start: 213, token_length: 1_213, kv_uri: URI, kv_start: 31_408_128 },
      ],
      stored_tokens: 213,
      limit: "end_of_stored",
      unreserved: null,
      deadline_ms: bench.turns.clock.now() + 60_000,
      prediction: null,
    });
  });

  it("gives whole pages above the threshold where the model asks for them [j]", async () => {
    const { bench, client } = await open({
      profile: { ...QWEN3_8B, pageSize: 64, loadThreshold: 256 },
    });
    await bench.turn(client, SESSION, [TEXT.slice(0, 250), TEXT.slice(250, 320)]);

    const plan = await bench.plan(client, SESSION, [TEXT.slice(0, 400), 0]);
    expect(plan).toMatchObject({
      stored_kv_cache: [{ token_start: 0, token_length: 320, kv_uri: URI, kv_start: 0 }],
      fresh_kv_cache: [
        { token_start: 320, token_length: 64, kv_uri: URI, kv_start: 320 * 147_456 },
      ],
    });
    const short = await bench.plan(client, SESSION, [TEXT.slice(0, 200), 0]);
    expect(short).toMatchObject({ stored_kv_cache: [], stored_tokens: 0 });
  });
});
