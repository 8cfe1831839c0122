/** What the HTTP servers do about connections that are silent, and about requests under way when they close. */
import { once } from "node:events";
import { connect } from "node:net";
import { expect, it, onTestFinished } from "vitest";

import { systemClock } from "../../src/clock.ts";
import { createHttpServer, drainAndClose, listenOn } from "../../src/http/server.ts";
import { createLogger } from "../../src/log.ts";

const IDLE_MS = 500;

async function open() {
  const log = createLogger({ level: "silent", sessionIds: "hash" });
  const limits = {
    bodyBytes: 100,
    handlerMs: 60_000,
    requestMs: 60_000,
    idleMs: IDLE_MS,
    headersMs: 60_000,
    connections: 10,
  };
  const server = createHttpServer({ limits, log });
  const arrived = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string>();
  server.get("/slow", async () => {
    arrived.resolve();
    return answer.promise;
  });
  server.post("/body", (request) => request.body);
  const url = `http://${await listenOn(server, { kind: "tcp", host: "127.0.0.1", port: 0 })}`;
  onTestFinished(async () => {
    answer.resolve("late");
    server.server.closeAllConnections();
    await server.close();
  });
  return { server, url, arrived: arrived.promise, answer: (text: string) => answer.resolve(text) };
}

/** Resolves when the server cuts it, with the bytes that it answered. */
async function fallSilent(url: string): Promise<number> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write("POST /body HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n");
  socket.write("content-length: 10\r\n\r\n{");
  await once(socket, "close");
  return socket.bytesRead;
}

it("cuts a connection that is silent in the middle of a request, and keeps one whose request is being handled", async () => {
  const { url, arrived, answer } = await open();
  const asked = fetch(`${url}/slow`);
  await Promise.race([arrived, asked]);
  expect(await fallSilent(url)).toBe(0);
  answer("here");
  expect(await (await asked).text()).toBe("here");
});

it("lets requests under way end when it closes", async () => {
  const { server, url, arrived, answer } = await open();
  const asked = fetch(`${url}/slow`);
  await arrived;
  const closed = drainAndClose(server, { drainMs: 60_000, scheduler: systemClock });
  answer("here");
  expect(await (await asked).text()).toBe("here");
  await closed;
});

it("cuts those that do not end within the time for it", async () => {
  const { server, url, arrived } = await open();
  const asked = fetch(`${url}/slow`);
  const failed = expect(asked).rejects.toThrow("fetch failed");
  await arrived;
  await drainAndClose(server, { drainMs: 20, scheduler: systemClock });
  await failed;
});
