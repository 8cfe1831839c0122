import { expect, it } from "vitest";
import { createDialect } from "../../../../src/kv/dialects/dialects.ts";
import { collectGarbage } from "../../../support/garbage.ts";
import { CHAT, INJECTION, turnOf } from "./read-request.ts";

/** As a turn keeps it, with a body that nobody else holds. */
function injectedTurn() {
  const messages = [{ role: "user", content: "long ".repeat(100_000) }];
  const bytes = new TextEncoder().encode(JSON.stringify({ messages, stream: true }));
  const { dialect: name, path } = CHAT;
  const body = createDialect({ name, exposeKv: false }).readBody(path, bytes);
  if (body.kind === "unreadable") throw new Error("unreadable");
  const { openAnswer } = turnOf(body).inject(INJECTION);
  return { openAnswer, body: new WeakRef(bytes.buffer) };
}

it("the reading of an answer does not keep the request's body", async () => {
  const { openAnswer, body } = injectedTurn();
  await collectGarbage();
  expect(body.deref()).toBeUndefined();
  expect(openAnswer("events")).toBeDefined();
});
