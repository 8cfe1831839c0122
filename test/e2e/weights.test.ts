import { expect, it, onTestFinished } from "vitest";
import { send } from "../support/client.ts";
import { asEndpoints, startStack } from "../support/stack.ts";

const SESSIONS = 400;
const body = { text: "hello", sampling_params: { max_new_tokens: 1 } };

it("new sessions are shared out by weight: within the load bound above, and as far below", async () => {
  const weights: Record<string, number> = { a: 1, b: 1, c: 2, none: 0 };
  const stack = await startStack({
    bootstrap: "override-host",
    engines: Object.keys(weights).map((name) => ({ name })),
    settings: (engines) => {
      const endpoints = asEndpoints(engines).map((item) => ({ ...item, weight: weights[item.id] }));
      return { pools: [{ name: "default", endpoints }] };
    },
  });
  onTestFinished(() => stack.close());
  for (let n = 0; n < SESSIONS; n++) {
    const headers = { "x-session-id": `weighed-${n}` };
    await send(stack.url, { path: "/generate", headers, body });
  }
  const shares = stack.engines.map(({ name, requests }) => {
    const fair = (SESSIONS * (weights[name] ?? 0)) / 4;
    return { name, fair, sessions: requests.length };
  });
  expect(shares.reduce((sum, { sessions }) => sum + sessions, 0)).toBe(SESSIONS);
  for (const { fair, sessions } of shares) {
    expect(sessions).toBeLessThanOrEqual(Math.ceil(fair * 1.25));
    expect(sessions).toBeGreaterThanOrEqual(Math.floor(fair * 0.75));
  }
});
