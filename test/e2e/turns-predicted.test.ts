/** Turns of a computing engine as they were predicted before they were sent. */
import { expect, it, onTestFinished } from "vitest";
import { createClient } from "../../client/index.ts";
import { freePort } from "../../demo/stack/ports.ts";
import { startComputingStack } from "../support/computing-stack.ts";
import { metric } from "../support/moorline-view.ts";
import { askTurn, freshTurn, type Turn } from "../support/turn-client.ts";

const NEW_TOKENS = 8;

it("are cached as predicted, and take about as long, computed or loaded [T4]", async () => {
  const listen = `127.0.0.1:${await freePort()}`;
  const prices = { currency: "USD", uncachedInput: 2, cachedInput: 1, output: 4 };
  const stack = await startComputingStack({
    engines: [],
    processes: ["a"],
    processSettings: { "prefill-us": 1_500 },
    turns: { prices },
    kv: { listen },
  });
  onTestFinished(() => stack.close());
  const ask = (turn: Turn) => stack.toItsEnd(() => askTurn(stack.url, turn));
  const client = createClient({ url: `http://${listen}` });
  /** Of times to the first byte: predicted by measured. */
  const ratios: number[] = [];
  const compare = async (turn: IdsTurn) => {
    const prompt = { kind: "engine" as const, ids: [...turn.prompt.ids], grid: [] };
    const body = { session: turn.session, max_new_tokens: NEW_TOKENS, prompt };
    const { data } = await client.POST("/v1/predict", { body });
    const answer = await ask(turn);
    const ms = answer.response.chunks[0]?.atMs ?? NaN;
    ratios.push((data?.ttft_ms.value ?? NaN) / ms);
    return { data, answer };
  };

  for (let at = 0; at < 8; at++) {
    const first = turnOf(`s${at}`, promptOf(100 + 60 * ((at * 3) % 8), at));
    await ask(first);
    await (at < 4 ? ask(next(first)) : compare(next(first)));
  }
  const first = turnOf("s", promptOf(450, 99));
  await ask(first);
  const { data, answer } = await compare(next(first));
  console.log(
    `to the first byte, predicted / measured: ${ratios.map((ratio) => ratio.toFixed(2)).join(", ")}`,
  );
  expect(data).toMatchObject({
    stored_tokens: answer.cachedTokens,
    cached_tokens: { value: answer.cachedTokens, p50_error: 0, p90_error: 0 },
    output_tokens: { value: NEW_TOKENS, p50_error: 0, p90_error: 0 },
  });
  expect(answer.cachedTokens).toBeGreaterThan(400);
  // The median: the machine may be away during any one of them.
  const typical = ratios.toSorted((a, b) => a - b)[2];
  expect(typical).toBeGreaterThan(1 / 4);
  expect(typical).toBeLessThan(4);
  const uncached = answer.promptTokens - answer.cachedTokens;
  expect(data?.price?.total).toBeCloseTo(
    (2 * uncached + answer.cachedTokens + 4 * NEW_TOKENS) / 1e6,
    12,
  );
  const explained = await client.POST("/v1/sessions/{id}/explain", {
    params: { path: { id: "s" } },
    body: { max_new_tokens: 0, prompt: { kind: "engine", ids: [1], grid: [] } },
  });
  expect(explained.data?.last_turn).toMatchObject({
    predicted: { cached_tokens: answer.cachedTokens, ttft_ms: data?.ttft_ms.value },
    actual: { cached_tokens: answer.cachedTokens, output_tokens: NEW_TOKENS },
    errors: { cached_tokens: 0, output_tokens: 0, ttft_ms: expect.any(Number) },
  });
  const compared = (figure: string) =>
    metric(
      stack.moorline,
      `moorline_kv_turn_prediction_error_ratio_count{pool="default",figure="${figure}"}`,
    );
  expect(await compared("cached_tokens")).toBe(18);
  expect(await compared("ttft_ms")).toBe(13); // of the first five, no time was predicted
});

interface IdsTurn extends Turn {
  readonly prompt: { readonly ids: readonly number[] };
}

function turnOf(session: string, ids: readonly number[]): IdsTurn {
  return { session, newTokens: NEW_TOKENS, isStream: true, prompt: { ids } };
}

/** `first` makes it another from the first token on. */
function promptOf(tokens: number, first: number): readonly number[] {
  return Array.from({ length: tokens }, (_, at) => first + 100 + ((at * 7) % 200));
}

function next(turn: IdsTurn): IdsTurn {
  const { outputIds } = freshTurn(turn);
  return { ...turn, prompt: { ids: [...turn.prompt.ids, ...outputIds, 101, 102, 103, 104] } };
}
