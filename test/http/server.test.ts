import { Agent, get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { expect, it, onTestFinished, vi } from "vitest";
import { createHttpServer, listenOn } from "../../src/http/server.ts";
import { createLogger } from "../../src/log.ts";

const limits = {
  bodyBytes: 1_024,
  handlerMs: 60_000,
  requestMs: 60_000,
  idleMs: 60_000,
  headersMs: 60_000,
  connections: 10,
};
/** A server whose one route answers when it is told to. */
async function serve() {
  const log = createLogger({ level: "error", sessionIds: "hash" }, { write: () => {} });
  const server = createHttpServer({ limits, log });
  const [asked, mayAnswer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  server.get("/", async () => {
    asked.resolve();
    await mayAnswer.promise;
    return "an answer";
  });
  onTestFinished(() => server.close());
  const address = await listenOn(server, { kind: "tcp", host: "127.0.0.1", port: 0 });
  return { server, url: `http://${address}/`, asked: asked.promise, answer: mayAnswer.resolve };
}

it("a server that closes answers what it was asked, and waits no longer for who keeps the connection", async () => {
  const { server, url, asked, ...given } = await serve();
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const answered = Promise.withResolvers<IncomingMessage>();
  get(url, { agent }, answered.resolve).on("error", answered.reject);
  await asked;
  const closed = server.close();
  await vi.waitUntil(() => !server.server.listening);
  given.answer();
  expect(await text(await answered.promise)).toBe("an answer");
  await closed;
}, 5_000);
