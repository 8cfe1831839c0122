/** Engines that are killed, all gone, and back again, while traffic goes on. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EngineProcess } from "../../demo/stack/engine.ts";
import { type Gateway, startGateway } from "../../demo/stack/gateway.ts";
import { send, type ClientResponse } from "../support/client.ts";
import { until } from "../support/until.ts";

const NAMES = ["a", "b", "c"] as const;
/** Every token of an answer takes 20 ms, so that an engine can be killed in the middle of one. */
const SETTINGS = { "decode-us": 20_000 };

let engines: Record<string, EngineProcess>;
let gateway: Gateway;

beforeEach(async () => {
  const started = NAMES.map((name) => new EngineProcess({ name, settings: SETTINGS }));
  await Promise.all(started.map((engine) => engine.start()));
  engines = Object.fromEntries(started.map((engine) => [engine.name, engine]));
  const endpoints = started.map(({ name: id, address }) => ({ id, address }));
  gateway = await startGateway({
    settings: {
      pools: [{ name: "default", endpoints }],
      health: { intervalMs: 100, timeoutMs: 10_000 },
    },
  });
});

afterEach(async () => {
  await gateway.close();
  await Promise.all(Object.values(engines).map((engine) => engine.close()));
});

function ask(session: string, body: object = {}, onChunk?: () => void): Promise<ClientResponse> {
  return send(gateway.url, {
    path: "/generate",
    headers: { "x-session-id": session },
    body: { text: "hello", sampling_params: { max_new_tokens: 1 }, ...body },
    ...(onChunk && { onChunk }),
  });
}

async function askAll(sessions: readonly string[]): Promise<Record<string, ClientResponse>> {
  const answers = await Promise.all(
    sessions.map(async (session) => [session, await ask(session)] as const),
  );
  return Object.fromEntries(answers);
}

const engineOf = (response: ClientResponse | undefined) => response?.headers["x-engine"];
const sessions = Array.from({ length: 30 }, (_, index) => `session-${index}`);

describe("an engine that is killed", () => {
  it("loses only its own sessions, and each moves once, without a failed request [D1]", async () => {
    const before = await askAll(sessions);
    expect(sessions.filter((id) => before[id]?.status !== 200)).toEqual([]);
    const lost = sessions.filter((id) => engineOf(before[id]) === "a");
    expect(lost.length).toBeGreaterThan(0);

    await engines["a"]?.kill();
    const after = await askAll(sessions);
    expect(sessions.filter((id) => after[id]?.status !== 200)).toEqual([]);
    const moved = sessions.filter((id) => engineOf(after[id]) !== engineOf(before[id]));
    expect(moved).toEqual(lost);

    const later = await askAll(sessions);
    expect(sessions.filter((id) => engineOf(later[id]) !== engineOf(after[id]))).toEqual([]);
  });

  it("in mid-request fails that request at once, and the session's next is served elsewhere [D1]", async () => {
    const first = engineOf(await ask("s"));
    const cut = ask("s", { sampling_params: { max_new_tokens: 500 } });
    await until(async () => (await requestsOf(first)) === 2);
    await engines[first ?? ""]?.kill();
    const failed = await cut;
    expect(failed.status).toBe(503);
    expect(failed.headers["x-session-id"]).toBe("s");
    const next = await ask("s");
    expect(next.status).toBe(200);
    expect(engineOf(next)).not.toBe(first);
  });

  it("in mid-stream ends that stream at once, without a hang, and the session goes on elsewhere [D2]", async () => {
    const first = engineOf(await ask("s"));
    let killedAtMs = 0;
    const cut = await ask("s", { stream: true, sampling_params: { max_new_tokens: 500 } }, () => {
      if (killedAtMs > 0) return;
      killedAtMs = performance.now();
      void engines[first ?? ""]?.kill();
    });
    expect(performance.now() - killedAtMs).toBeLessThan(3_000);
    expect(cut.isComplete).toBe(false);
    expect(cut.headers["x-session-id"]).toBe("s");
    const next = await ask("s");
    expect(next.status).toBe(200);
    expect(engineOf(next)).not.toBe(first);
  });

  it("comes back without taking a session from anybody [A14] [R6]", async () => {
    const before = await askAll(sessions);
    await engines["a"]?.kill();
    const during = await askAll(sessions);
    await engines["a"]?.start();
    await until(async () => (await stateOf("a")) === "ready");
    const after = await askAll(sessions);
    expect(sessions.filter((id) => engineOf(after[id]) !== engineOf(during[id]))).toEqual([]);
    expect(
      sessions.filter((id) => engineOf(before[id]) === "a" && engineOf(after[id]) === "a"),
    ).toEqual([]);
  });
});

describe("all engines gone", () => {
  it("is a 503 with JSON and reason, and ends when one is back [D3]", async () => {
    await ask("s");
    await Promise.all(NAMES.map(async (name) => engines[name]?.kill()));
    await until(async () => (await ask("s")).headers["x-moorline-reason"] !== undefined);
    const refused = await ask("s");
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.text)).toMatchObject({ error: { code: "no_ready_endpoint" } });
    expect(refused.headers).toMatchObject({
      "content-type": "application/json",
      "x-moorline-reason": "no_ready_endpoint",
      "x-session-id": "s",
    });
    await engines["b"]?.start();
    await until(async () => (await stateOf("b")) === "ready");
    const served = await ask("s");
    expect([served.status, engineOf(served)]).toEqual([200, "b"]);
  });

  it("while traffic goes on gives 503s and nothing else, then serves again [D5]", async () => {
    const statuses: number[] = [];
    let isDone = false;
    const client = async (name: string) => {
      while (!isDone) statuses.push((await ask(name)).status);
    };
    const clients = sessions.slice(0, 6).map(client);
    await until(() => statuses.length > 20);
    await Promise.all(NAMES.map(async (name) => engines[name]?.kill()));
    await until(() => statuses.at(-1) === 503);
    await Promise.all(NAMES.map(async (name) => engines[name]?.start()));
    const back = statuses.length;
    await until(() => statuses.slice(back).filter((status) => status === 200).length > 20);
    isDone = true;
    await Promise.all(clients);
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    const settled = await askAll(sessions);
    expect(sessions.filter((id) => settled[id]?.status !== 200)).toEqual([]);
  });
});

/** Requests whose prompt an engine has worked on. */
async function requestsOf(name: string | undefined): Promise<number> {
  const response = await fetch(`${engines[name ?? ""]?.url}/get_server_info`);
  return ((await response.json()) as { readonly requests: number }).requests;
}

interface PoolsView {
  readonly pools: readonly {
    readonly endpoints: readonly { readonly id: string; readonly state: string }[];
  }[];
}

async function stateOf(name: string): Promise<string | undefined> {
  const view = (await (await fetch(`${gateway.moorline.adminUrl}/v1/pools`)).json()) as PoolsView;
  return view.pools[0]?.endpoints.find(({ id }) => id === name)?.state;
}
