/** What becomes of answers that their clients are still taking when a server closes. */
import { connect } from "node:net";
import { expect, it, onTestFinished } from "vitest";

import { createHttpServer, listenOn } from "../../src/http/server.ts";
import { createLogger } from "../../src/log.ts";
import { until } from "../support/until.ts";

/** More than what socket buffers take. */
const LONG = 32 * 1024 * 1024;

/** A long answer, ended, of which its client has taken nothing yet. */
async function answered({ idleMs }: { readonly idleMs: number }) {
  const log = createLogger({ level: "silent", sessionIds: "hash" });
  const times = { handlerMs: 60_000, requestMs: 60_000, headersMs: 60_000, idleMs };
  const server = createHttpServer({ limits: { bodyBytes: 1_024, connections: 10, ...times }, log });
  const ended = Promise.withResolvers<void>();
  server.get("/", async (_request, { raw }) => {
    raw.once("prefinish", ended.resolve);
    return Buffer.alloc(LONG, "x");
  });
  const address = await listenOn(server, { kind: "tcp", host: "127.0.0.1", port: 0 });
  const client = connect(Number(address.split(":").at(-1)), "127.0.0.1").pause();
  client.on("error", () => undefined);
  client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  onTestFinished(async () => {
    client.destroy();
    await server.close();
  });
  await ended.promise;
  return { server, client };
}

it("a server that closes lets a slow client take an answer to its end, and takes no new ones", async () => {
  const { server, client } = await answered({ idleMs: 60_000 });
  const closed = server.close();
  await until(() => !server.server.listening);
  let taken = 0;
  client.on("data", ({ length }: Buffer) => (taken += length)).resume();
  await closed;
  await until(() => client.destroyed);
  expect(taken).toBeGreaterThan(LONG);
});

it("a server that closes waits no longer than the idle timeout for a client that takes nothing", async () => {
  const { server, client } = await answered({ idleMs: 100 });
  await server.close();
  client.resume();
  await until(() => client.destroyed);
  expect(client.bytesRead).toBeLessThan(LONG);
});
