/** Sessions that outlive the slots, the servers and the Moorline that had them, through a real Envoy with real llama-servers. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../client/index.ts";
import type { FreshServer } from "../../demo/llama/fresh.ts";
import { readSlots } from "../../demo/llama/slots.ts";
import type { LlamaStage } from "../../demo/llama/stage.ts";
import { send } from "../support/client.ts";
import {
  askSavedTurn,
  askTurn,
  DOCUMENT,
  next,
  promptTokens,
  startFresh,
  startTinyStage,
} from "../support/llama.ts";
import { metric } from "../support/moorline-view.ts";
import { until } from "../support/until.ts";

let stage: LlamaStage;
let fresh: FreshServer;

// One for all: what they need is there again after each.
beforeAll(async () => {
  [stage, fresh] = await Promise.all([startTinyStage(), startFresh()]);
});
afterAll(async () => {
  await Promise.all([stage.close(), fresh.close()]);
});

/** As it should be, whatever was reused. */
async function expectFresh({ prompt, answer }: Awaited<ReturnType<typeof askTurn>>) {
  const found = await fresh.compare(prompt, answer.text);
  expect(found).toEqual({ isSame: true, excused: expect.any(Number), expected: "" });
  expect(answer.text).toHaveLength(24);
}

const PREDICTED = 'moorline_kv_turn_predicted_ttft_seconds_sum{pool="default"}';
const MEASURED = 'moorline_kv_turn_ttft_seconds_count{pool="default"}';

describe("a session whose server was killed", () => {
  afterEach(async () => {
    const dead = stage.servers.filter(({ isRunning }) => !isRunning);
    await Promise.all(dead.map(async (server) => server.start()));
    await stage.known(2);
  });

  it("goes on at another one with what the first had saved, as fast as predicted, and answers as a fresh one does [S1]", async () => {
    let measured = 0;
    /** Of the time to the first token, in ms. */
    const predicted = async (session: string, prompt: string) => {
      const before = await metric(stage.moorline, PREDICTED);
      const turn = await askSavedTurn(stage, session, prompt);
      measured += 1;
      await until(async () => (await metric(stage.moorline, MEASURED)) >= measured);
      return { ...turn, predictedMs: 1000 * ((await metric(stage.moorline, PREDICTED)) - before) };
    };
    // What Moorline learns from: other conversations, computed and gone on with.
    for (let at = 0; at < 6; at++) {
      const learnt = await predicted(`other-${at}`, `${at} ${DOCUMENT.slice(0, 400 + 100 * at)}`);
      await predicted(`other-${at}`, next(learnt));
    }
    const first = await predicted("killed", DOCUMENT);
    const home = await stage.homeOf("killed");
    await home.kill();
    await stage.seenDown(home);

    const second = await predicted("killed", next(first));
    expect(await stage.homeOf("killed")).not.toBe(home);
    expect(second.answer.kvStatus).toMatch(/^reused=\d+ slot=\d from=restored$/);
    const prompt = promptTokens(first.answer);
    expect(second.answer.cachedTokens).toBeGreaterThanOrEqual(0.95 * prompt);
    await expectFresh(second);

    const cold = await predicted("cold", `Something else. ${second.prompt}`);
    expect(cold.answer.cachedTokens).toBeLessThanOrEqual(1); // the first one is the same in all prompts
    // By how much sooner it answers. Restoring is not in what is predicted of the server.
    const sparedMs = cold.answer.firstTokenMs - second.answer.firstTokenMs;
    const share = (cold.predictedMs - second.predictedMs) / sparedMs;
    expect(sparedMs).toBeGreaterThan(0);
    expect(share).toBeGreaterThan(1 / 4);
    expect(share).toBeLessThan(4);
  });

  it("goes on at the same one after its restart [S1]", async () => {
    const first = await askSavedTurn(stage, "restarted", DOCUMENT);
    await Promise.all(stage.servers.map(async (server) => server.kill()));
    await Promise.all(stage.servers.map(async (server) => stage.seenDown(server)));
    await Promise.all(stage.servers.map(async (server) => server.start()));
    await stage.known(2);
    const second = await askTurn(stage, "restarted", next(first));
    expect(second.answer.cachedTokens).toBeGreaterThanOrEqual(promptTokens(first.answer));
    await expectFresh(second);
  });
});

describe("a session", () => {
  it("stays in its slot, and says so", async () => {
    const first = await askSavedTurn(stage, "resident", DOCUMENT);
    const second = await askTurn(stage, "resident", next(first));
    expect(second.answer.kvStatus).toMatch(/^reused=\d+ slot=\d from=resident$/);
    expect(second.answer).toMatchObject({ slot: first.answer.slot });
    await expectFresh(second);
  });

  it("outlives Moorline [S2]", async () => {
    const first = await askSavedTurn(stage, "outliving", DOCUMENT);
    await stage.restartMoorline();
    const second = await askTurn(stage, "outliving", next(first));
    expect(second.answer.cachedTokens).toBeGreaterThanOrEqual(promptTokens(first.answer));
    await expectFresh(second);
  });

  it("is restored after more sessions than slots were served [S2]", async () => {
    const first = await askSavedTurn(stage, "displaced", DOCUMENT);
    for (let at = 0; at < 6; at++)
      await askSavedTurn(stage, `displacing-${at}`, `${at}${DOCUMENT}`);
    const second = await askTurn(stage, "displaced", next(first));
    expect(second.answer.kvStatus).toMatch(/^reused=\d+ slot=\d from=restored$/);
    expect(second.answer.cachedTokens).toBeGreaterThanOrEqual(promptTokens(first.answer));
    await expectFresh(second);
  });

  it("goes on in a fork from the file of its parent [S2]", async () => {
    const first = await askSavedTurn(stage, "parent", DOCUMENT);
    const client = createClient({ url: stage.apiUrl });
    const params = { path: { id: "parent" } };
    const { response } = await client.POST("/v1/sessions/{id}/fork", {
      params,
      body: { id: "child" },
    });
    expect(response.ok).toBe(true);
    const [child, parent] = await Promise.all([
      askTurn(stage, "child", next(first, " Or else?")),
      askTurn(stage, "parent", next(first)),
    ]);
    expect(child.answer.cachedTokens).toBeGreaterThanOrEqual(promptTokens(first.answer));
    await expectFresh(child);
    await expectFresh(parent);
  });

  it("that ends leaves its slot empty [S2]", async () => {
    const { answer } = await askSavedTurn(stage, "ended", DOCUMENT);
    const home = await stage.homeOf("ended");
    const tokens = async () => (await readSlots(home.url))[answer.slot]?.n_prompt_tokens;
    expect(await tokens()).toBeGreaterThan(DOCUMENT.length);
    const body = { prompt: `${DOCUMENT} Enough.`, n_predict: 8, temperature: 0 };
    const headers = { "x-session-id": "ended", "x-session-final": "true" };
    const response = await send(stage.url, { path: "/completion", headers, body });
    expect(response.status).toBe(200);
    await until(async () => (await tokens()) === 0);
  });
});

describe("clients", () => {
  it.each(["/slots", "/slots/0?action=save", "//slots/0?action=erase"])(
    "do not reach %s [S5]",
    async (path) => {
      const response = await send(stage.url, { path, body: { filename: "mine.slot" } });
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.headers["x-moorline-reason"]).toBeDefined();
    },
  );
});
