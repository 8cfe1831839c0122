import { describe, expect, it } from "vitest";

import { atOnce } from "../../../src/json/slices.ts";
import type { ChatPrompt, Prompt } from "../../../src/kv/dialects/dialect.ts";
import { toSnapshotPrompt } from "../../../src/kv/snapshots/snapshot-prompt.ts";

const textOf = (prompt: Prompt): string =>
  new TextDecoder().decode(atOnce(toSnapshotPrompt(prompt, {})).bytes);

function chat(messages: ChatPrompt["messages"], changes: Partial<ChatPrompt> = {}): Prompt {
  const base = { tools: undefined, templateKwargs: {}, continueFinalMessage: false };
  return { kind: "chat", chat: { ...base, messages, ...changes } };
}

const system = { role: "system", content: "Be brief.\n" };
const user = { role: "user", content: "Is it raining?" };
const assistant = { role: "assistant", content: "No." };

it("of a text is the text, in UTF-8, with the context that keeps it apart", () => {
  const context = { cacheSalt: "salt" };
  const { bytes, context: kept } = atOnce(
    toSnapshotPrompt({ kind: "text", text: "Größe" }, context),
  );
  expect(Buffer.from(bytes).toString()).toBe("Größe");
  expect(kept).toBe(context);
});

it("of ids is their decimal numbers, each with its end, so that 1 is no beginning of 12", () => {
  expect(textOf({ kind: "ids", ids: Uint32Array.of(1, 20, 3) })).toBe("1,20,3,");
  expect(textOf({ kind: "ids", ids: new Uint32Array() })).toBe("");
});

describe("of a chat", () => {
  it("is one line for what the template is given, and one for each message", () => {
    expect(textOf(chat([system, user], { templateKwargs: { thinking: false } }))).toBe(
      '{"templateKwargs":{"thinking":false}}\n' +
        '{"role":"system","content":"Be brief.\\n"}\n' +
        '{"role":"user","content":"Is it raining?"}\n',
    );
  });

  it("begins with the text of the chat that it goes on from, and of no other", () => {
    const later = textOf(chat([system, user, assistant, user]));
    expect(later.startsWith(textOf(chat([system, user])))).toBe(true);
    expect(later.startsWith(textOf(chat([system, { ...user, content: "Is it" }])))).toBe(false);
    expect(later.startsWith(textOf(chat([system, user], { tools: [{}] })))).toBe(false);
  });
});

it.each<readonly [string, Prompt, number]>([
  ["ids", { kind: "ids", ids: new Uint32Array(1_000_000).fill(100_000) }, 10],
  [
    "messages",
    chat(Array.from({ length: 4_000 }, () => ({ ...user, content: "y".repeat(2_000) }))),
    10,
  ],
])("is written in slices where there are many %s, to the same bytes", (_, prompt, slices) => {
  const writing = toSnapshotPrompt(prompt, {});
  let yields = 0;
  let step = writing.next();
  for (; step.done !== true; step = writing.next()) yields++;
  expect(yields).toBeGreaterThan(slices);
  const length = prompt.kind === "ids" ? 7_000_000 : textOf(prompt).length;
  expect(step.value.bytes.length).toBe(length);
});
