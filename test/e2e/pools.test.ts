import { beforeAll, expect, it } from "vitest";
import { json, send } from "../support/client.ts";
import type { ClientRequest } from "../support/client.ts";
import { asEndpoints, startStack } from "../support/stack.ts";
import type { Stack } from "../support/stack.ts";

const messages = [{ role: "user", content: "hello" }];

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({
    bootstrap: "override-host-pools",
    engines: ["small-1", "small-2", "large-1", "large-2"].map((name) => ({ name })),
    settings: (engines) => ({
      pools: ["small", "large"].map((name) => ({
        name,
        models: [`model-${name}`],
        endpoints: asEndpoints(engines.filter((engine) => engine.name.startsWith(name))),
      })),
    }),
  });
  return async () => stack.close();
});

async function ask(model: string, more: Partial<ClientRequest> = {}) {
  return send(stack.url, {
    path: "/v1/chat/completions",
    body: { model, messages, max_tokens: 1 },
    ...more,
  });
}

it("the model in the body chooses the pool, over HTTP/1.1 and HTTP/2", async () => {
  for (const protocol of ["http/1.1", "h2"] as const) {
    for (const pool of ["small", "large"]) {
      const { headers } = await ask(`model-${pool}`, { protocol });
      expect(headers["x-engine"]).toMatch(new RegExp(`^${pool}-`));
    }
  }
});

it("one session has an endpoint of its own in each pool", async () => {
  const headers = { "x-session-id": "both" };
  const rounds = [];
  for (let round = 0; round < 3; round += 1) {
    const small = await ask("model-small", { headers });
    const large = await ask("model-large", { headers });
    rounds.push(`${small.headers["x-engine"]} ${large.headers["x-engine"]}`);
  }
  expect(new Set(rounds).size).toBe(1);
  expect(rounds[0]).toMatch(/^small-\d large-\d$/);
});

it("a pool that the client names is not obeyed and reaches no engine", async () => {
  const response = await ask("model-small", { headers: { "x-moorline-pool": "large" } });
  const engine = response.headers["x-engine"] ?? "";
  expect(engine).toMatch(/^small-/);
  expect(stack.engine(engine).requests.at(-1)?.headers).not.toHaveProperty("x-moorline-pool");
});

it("an unknown model is a 404 with a JSON error, and no engine sees it", async () => {
  const before = stack.engines.map(({ requests }) => requests.length);
  const response = await ask("model-none");
  expect(response.status).toBe(404);
  expect(json<object>(response)).toHaveProperty("error");
  expect(stack.engines.map(({ requests }) => requests.length)).toEqual(before);
});
