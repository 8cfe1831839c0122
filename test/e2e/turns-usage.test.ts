/** Chats of most clients, through a real Envoy: streamed, without a word of their usage. */
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { send } from "../support/client.ts";
import { startComputingStack, type ComputingStack } from "../support/computing-stack.ts";

let stack: ComputingStack;

beforeAll(async () => {
  stack = await startComputingStack({ engines: ["a"], turns: { dialect: "sglang-explicit" } });
});

afterAll(() => stack.close());

const path = "/v1/chat/completions";
const begin = "A chat is moored where its cache lies. ".repeat(4);
const messages = [{ role: "user", content: begin }];
const asked = { stream: true, max_tokens: 20, ignore_eos: true };
const more = [
  { role: "assistant", content: "Where?" },
  { role: "user", content: "At its end." },
];

function chat(body: object) {
  const headers = { "x-session-id": "s", "x-moorline-kv": "1" };
  return stack.toItsEnd(() => send(stack.url, { path, headers, body: { ...asked, ...body } }));
}

it("stores a streamed chat that did not ask for its usage, and shows it none [T5]", async () => {
  const first = await chat({ messages, rid: "first" });
  const engine = stack.engines.get("a");
  const direct = await send(engine?.url ?? "", {
    path,
    body: { ...asked, messages, rid: "first" },
  });
  expect(first.headers["x-moorline-kv"]).toBe("reused=0");
  expect(timeless(first.text)).toBe(timeless(direct.text));
  expect(first.text).not.toContain("usage");

  const second = await chat({ messages: [...messages, ...more] });
  expect(second.headers["x-moorline-kv"]).toMatch(/^reused=[1-9]/);
});

it("shows the usage of an engine that tells it to everybody [T5]", async () => {
  const telling = await startComputingStack({
    engines: ["a"],
    turns: { dialect: "sglang-explicit" },
    engineOptions: { tellsUsage: true },
  });
  onTestFinished(() => telling.close());
  const body = { ...asked, messages, rid: "told" };
  const headers = { "x-session-id": "t", "x-moorline-kv": "1" };
  const through = await telling.toItsEnd(() => send(telling.url, { path, headers, body }));
  const direct = await send(telling.engines.get("a")?.url ?? "", { path, body });
  expect(timeless(through.text)).toBe(timeless(direct.text));
  expect(through.text).toContain('"usage":{"prompt_tokens"');
  await telling.settled(1);
});

/** Without what is another with each request. */
function timeless(text: string): string {
  return text.replaceAll(/"created":\d+/g, '"created":0');
}
