/** Turns through a real Envoy: what one engine stored, another one loads, and its answer is that of an engine that has computed all. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freshAnswer } from "../../demo/engine/oracle.ts";
import { send } from "../support/client.ts";
import { tinyOracle } from "../support/computing-engine.ts";
import { endpointStates, metric } from "../support/moorline-view.ts";
import { startComputingStack, type ComputingStack } from "../support/computing-stack.ts";
import { until } from "../support/until.ts";

let stack: ComputingStack;

beforeEach(async () => {
  stack = await startComputingStack();
});

afterEach(() => stack.close());

const BEGINNING = "A session is moored to the endpoint where its cache lives. ".repeat(4);

async function generate(text: string, headers: object = {}) {
  const response = await send(stack.url, {
    path: "/generate",
    headers: { "x-session-id": "s", "x-moorline-kv": "1", ...headers },
    body: { text, sampling_params: { max_new_tokens: 20, ignore_eos: true } },
  });
  return { ...response, json: JSON.parse(response.text) };
}

/** What an engine answers that has computed everything itself. */
function fresh(text: string) {
  const ids = tinyOracle.tokenizer.encodeText(text);
  const answer = freshAnswer(tinyOracle, ids, { maxNewTokens: 20, ignoresEos: true });
  return { text: answer.text, digest: answer.digest, promptTokens: ids.length };
}

describe("two turns of one conversation", () => {
  it("reuse on another endpoint what the first stored, and answer as if nothing was", async () => {
    const first = await generate(BEGINNING);
    expect(first.status).toBe(200);
    expect(first.headers["x-moorline-kv"]).toBe("reused=0");
    expect(first.json).toMatchObject({
      text: fresh(BEGINNING).text,
      meta_info: { logits_digest: fresh(BEGINNING).digest, cached_tokens: 0 },
    });
    expect(first.text).not.toContain("kv_uri");
    await stack.settled(1);

    const home = String(first.headers["x-engine"]);
    await stack.engines.get(home)?.close();
    await until(async () => (await endpointStates(stack.moorline))[home] === "down");
    const prompt = `${BEGINNING}${first.json.text} And then?`;
    const second = await generate(prompt, { "x-session-final": "true" });
    expect(second.headers["x-engine"]).not.toBe(home);
    const reused = Number(/^reused=(\d+)$/.exec(String(second.headers["x-moorline-kv"]))?.[1]);
    expect(reused).toBeGreaterThanOrEqual(16);
    expect(second.json).toMatchObject({
      text: fresh(prompt).text,
      meta_info: {
        logits_digest: fresh(prompt).digest,
        prompt_tokens: fresh(prompt).promptTokens,
        cached_tokens: reused,
      },
    });
    const committed = 'moorline_kv_turn_ends_total{pool="default",end="committed"}';
    await until(async () => (await metric(stack.moorline, committed)) === 2);
  });
});
