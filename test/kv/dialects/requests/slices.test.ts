/** Between the slices of a body that is read, the event loop is everybody's; short ones are read at once. */
import { expect, it } from "vitest";
import { createDialect } from "../../../../src/kv/dialects/dialects.ts";
import type { ReadBody, UnreadableBody } from "../../../../src/kv/dialects/dialect.ts";
import { CHAT } from "./read-request.ts";

const dialect = createDialect({ name: CHAT.dialect, exposeKv: false });

/** How many times it rests while it reads, and what it reads. */
function resting(text: string, path = "/generate"): [number, ReadBody | UnreadableBody] {
  const slices = dialect.readBodyInSlices(path, Buffer.from(text));
  for (let rests = 0; ; rests++) {
    const { done, value } = slices.next();
    if (done === true) return [rests, value];
  }
}

function restsOf(text: string, path = "/generate"): number {
  return resting(text, path)[0];
}

const ids = (count: number) => `{"input_ids":[${"1,".repeat(count - 1)}1]}`;
const forged = (count: number) => `{"text":"a","user":[${`{"kvcache_params":1},`.repeat(count)}0]}`;

it("reads a body of a few tokens at once", () => {
  for (const text of [
    `{"text":"a"}`,
    ids(1_000),
    forged(100),
    `{"text":"${"a".repeat(200_000)}"}`,
  ]) {
    expect(restsOf(text)).toBe(0);
  }
  const messages = `[${`{"role":"user","content":"${"a".repeat(1_000)}"},`.repeat(200)}{"role":"user"}]`;
  expect(restsOf(`{"messages":${messages}}`, CHAT.path)).toBe(0);
});

it("rests once for every 32,768 ids that it reads", () => {
  const [scanned, read] = [restsOf(`{"x":${ids(200_000)}}`), restsOf(ids(200_000))];
  expect(read - scanned).toBe(Math.floor(200_000 / 32_768));
});

it("stops at the first id that is too many", () => {
  const [most, none] = [2 ** 20, resting(`{"x":${ids(2 ** 20 + 40_000)}}`)[0]];
  const [rests, read] = resting(ids(most + 40_000));
  expect(read).toMatchObject({ turn: { kind: "none", reason: "body" } });
  expect(rests - none).toBe(most / 32_768);
});

it("rests for every 8,192 members that it takes out, of a body that is read again in as many slices", () => {
  const few = restsOf(forged(8_192).replaceAll("kvcache_params", "kvcache_number"));
  const cuts = 5 * 8_192;
  const [plain, cut] = [
    restsOf(forged(cuts).replaceAll("kvcache_params", "kvcache_number")),
    restsOf(forged(cuts)),
  ];
  expect(few).toBeGreaterThan(0);
  expect(cut - plain).toBe(4 + 4); // of the copy, and of the places in it
});

it("rests before it decodes a long text", () => {
  expect(restsOf(`{"text":"${"a".repeat(300_000)}"}`)).toBe(1);
});

it("rests while it parses a long chat", () => {
  const message = `{"role":"user","content":"${"a".repeat(1_000)}"},`;
  const chat = (name: string) => `{"${name}":[${message.repeat(4_000)}{"role":"user"}]}`;
  const [scanned, read] = [restsOf(chat("x"), CHAT.path), restsOf(chat("messages"), CHAT.path)];
  expect(read).toBe(4 * scanned); // it is counted, parsed, and looked at for what parsing loses
});
