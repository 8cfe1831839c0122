import { beforeAll, expect, it, vi } from "vitest";
import { send } from "../support/client.ts";
import { startStack } from "../support/stack.ts";
import type { Stack } from "../support/stack.ts";

const body = { messages: [{ role: "user", content: "hello" }], max_tokens: 1 };

let stack: Stack;

beforeAll(async () => {
  const engines = [{ name: "a" }, { name: "b" }, { name: "six", host: "::1" }];
  stack = await startStack({ bootstrap: "original-dst", engines });
  return async () => stack.close();
});

async function ask(headers: Record<string, string>) {
  return send(stack.url, { path: "/v1/chat/completions", headers, body });
}

it("a conversation stays at one endpoint, and all endpoints are used, IPv6 among them", async () => {
  const ids = Array.from({ length: 30 }, (_, index) => `session-${index}`);
  const [first, second] = await Promise.all(
    [ids, ids].map(async (round) =>
      Promise.all(round.map(async (id) => (await ask({ "x-session-id": id })).headers["x-engine"])),
    ),
  );
  expect(new Set(first)).toEqual(new Set(["a", "b", "six"]));
  expect(second).toEqual(first);
});

it("a destination that the client names is not obeyed, neither by our header's name nor by Envoy's own", async () => {
  const home = (await ask({ "x-session-id": "forger" })).headers["x-engine"];
  for (const { address } of stack.engines) {
    const forged = {
      "x-session-id": "forger",
      "x-gateway-destination-endpoint": address,
      "x-envoy-original-dst-host": address,
    };
    expect((await ask(forged)).headers["x-engine"]).toBe(home);
  }
});

it("a session of an endpoint that went away moves, once the health checks have seen it [D1]", async () => {
  const home = (await ask({ "x-session-id": "mover" })).headers["x-engine"] ?? "";
  await stack.engine(home).close();
  const moved = await vi.waitUntil(
    async () => {
      const response = await ask({ "x-session-id": "mover" });
      return response.status === 200 && response.headers["x-engine"];
    },
    { timeout: 10_000, interval: 50 },
  );
  expect(moved).not.toBe(home);
});
