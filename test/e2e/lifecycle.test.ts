/** Moorline reloaded, drained and killed under Envoy's traffic. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startMoorline } from "../../demo/stack/moorline.ts";
import { send } from "../support/client.ts";
import type { ClientResponse } from "../support/client.ts";
import { endpointStates, followLog, metric } from "../support/moorline-view.ts";
import { openSlowRequest } from "../support/slow-request.ts";
import { asEndpoints, startStack } from "../support/stack.ts";
import type { Stack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const path = "/v1/chat/completions";
const messages = [{ role: "user", content: "hello" }];

let stack: Stack;

beforeEach(async () => {
  const names = ["a", "b", "c"];
  stack = await startStack({
    bootstrap: "override-host",
    engines: names.map((name) => ({ name, decodeUsPerToken: 20_000 })),
  });
});

afterEach(() => stack.close());

function ask(session: string, more: object = {}): Promise<ClientResponse> {
  return send(stack.url, {
    path,
    headers: { "x-session-id": session },
    body: { messages, max_tokens: 1, ...more },
  });
}

/** An answer of 50 tokens, one second long; resolves once its first chunk is there. */
async function openStream(session: string) {
  const started = Promise.withResolvers<void>();
  const ended = send(stack.url, {
    path,
    headers: { "x-session-id": session },
    body: { messages, max_tokens: 50, stream: true },
    onChunk: () => started.resolve(),
  });
  await started.promise;
  return { ended };
}

/** A request that Moorline has asked Envoy for the body of, and that is still under way. */
async function openExchange(session: string) {
  const slow = openSlowRequest(stack.url, { messages, max_tokens: 1, prompt_cache_key: session });
  await until(async () => (await metric(stack.moorline, "moorline_open_exchanges")) === 1);
  return slow;
}

const settingsWith = (endpoints: readonly object[]) => ({
  pools: [{ name: "default", endpoints }],
  health: { intervalMs: 100, timeoutMs: 10_000 },
});

describe("SIGHUP", () => {
  it("takes new endpoints and weights over, and drops neither an open exchange nor a stream", async () => {
    const log = followLog(stack.moorline);
    const exchange = await openExchange("open");
    const stream = await openStream("streaming");
    const [a, b] = asEndpoints(stack.engines);
    await stack.moorline.reconfigure(settingsWith([{ ...a, weight: 0 }, { ...b }]));
    stack.moorline.child.signal("SIGHUP");
    await until(() => log.some(({ msg }) => msg === "configuration reloaded"));
    await until(async () => !("c" in (await endpointStates(stack.moorline))));

    const fresh = await Promise.all(Array.from({ length: 12 }, (_, index) => ask(`new-${index}`)));
    expect(new Set(fresh.map(({ headers }) => headers["x-engine"]))).toEqual(new Set(["b"]));
    const finished = await exchange.finish();
    expect([finished.status, finished.headers["x-session-id"]]).toEqual([200, "open"]);
    const { status, isComplete, text } = await stream.ended;
    expect([status, isComplete, text.includes("data: [DONE]")]).toEqual([200, true, true]);
  });

  it("with a bad configuration keeps the last good one, with one error line that lists every problem", async () => {
    const home = (await ask("kept")).headers["x-engine"];
    const log = followLog(stack.moorline);
    await stack.moorline.reconfigure({ pools: [], affinity: { loadFactor: 0.5 } });
    stack.moorline.child.signal("SIGHUP");
    const failures = 'moorline_reloads_total{what="config",result="failed"}';
    await until(async () => (await metric(stack.moorline, failures)) === 1);
    const errors = log.filter(({ level }) => level === "error");
    expect(errors).toHaveLength(1);
    expect(JSON.stringify(errors)).toContain("affinity.loadFactor 0.5 must be >= 1");
    expect(JSON.stringify(errors)).toContain("pools");
    expect((await ask("kept")).headers["x-engine"]).toBe(home);

    await stack.moorline.reconfigure(settingsWith(asEndpoints(stack.engines)));
    stack.moorline.child.signal("SIGHUP");
    await until(() => log.some(({ msg }) => msg === "configuration reloaded"));
    expect((await ask("kept")).headers["x-engine"]).toBe(home);
  });
});

describe("SIGTERM", () => {
  it("turns readiness off at once, lets an open exchange and a stream finish, and ends with 0", async () => {
    const { moorline } = stack;
    const exchange = await openExchange("open");
    const stream = await openStream("streaming");
    moorline.child.signal("SIGTERM");
    await until(async () => (await fetch(`${moorline.adminUrl}/readyz`)).status === 503);
    expect(await metric(moorline, "moorline_open_exchanges")).toBe(1);
    expect((await fetch(`${moorline.adminUrl}/livez`)).status).toBe(200);

    const finished = await exchange.finish();
    expect([finished.status, finished.headers["x-session-id"]]).toEqual([200, "open"]);
    expect(await moorline.child.ended).toBe("exit code 0");
    const { isComplete, text } = await stream.ended;
    expect([isComplete, text.includes("data: [DONE]")]).toEqual([true, true]);
  });
});

describe("Moorline killed", () => {
  it("costs requests a 5xx at most, never a hang, until another takes its place [D4]", async () => {
    const { moorline } = stack;
    expect((await ask("s")).status).toBe(200);
    await moorline.child.kill();
    const without = await ask("s");
    expect(without.status).toBeGreaterThanOrEqual(500);

    const ports = { extproc: moorline.extprocPort, admin: moorline.adminPort };
    const other = await startMoorline(settingsWith(asEndpoints(stack.engines)), ports);
    try {
      await until(async () => (await ask("s")).status === 200);
      const back = await Promise.all(Array.from({ length: 20 }, (_, index) => ask(`s-${index}`)));
      expect(new Set(back.map(({ status }) => status))).toEqual(new Set([200]));
    } finally {
      await other.close();
    }
  });
});
