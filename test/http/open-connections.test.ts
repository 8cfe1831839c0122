/** Connections that say nothing keep nobody out. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";

import { systemClock } from "../../src/clock.ts";
import { openTlsFiles } from "../../src/extproc/tls.ts";
import { createHttpServer, listenOn } from "../../src/http/server.ts";
import { createLogger } from "../../src/log.ts";
import { TlsFolder } from "../support/tls/certificates.ts";

const LIMIT = 3;
const REQUEST = "GET /now HTTP/1.1\r\nhost: a\r\n\r\n";

async function open({ isSecured = false, headersMs = 60_000 } = {}) {
  const log = createLogger({ level: "silent", sessionIds: "hash" });
  const times = { handlerMs: 60_000, requestMs: 60_000, idleMs: 60_000, headersMs };
  const limits = { bodyBytes: 100, connections: LIMIT, ...times };
  const server = createHttpServer({ limits, tls: isSecured ? await openTls() : undefined, log });
  const answer = Promise.withResolvers<string>();
  server.get("/now", async () => "here");
  const arrived = Promise.withResolvers<void>();
  let slow = 0;
  server.get("/slow", () => {
    if (++slow === LIMIT) arrived.resolve();
    return answer.promise;
  });
  const address = await listenOn(server, { kind: "tcp", host: "127.0.0.1", port: 0 });
  const port = Number(address.split(":")[1]);
  onTestFinished(async () => {
    answer.resolve("late");
    server.server.closeAllConnections();
    await server.close();
  });
  /** Until the server has it. */
  const silent = async (): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    await Promise.all([once(socket, "connect"), once(server.server, "connection")]);
    return socket;
  };
  const secured = async (): Promise<Socket> => {
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    socket.on("error", () => undefined);
    await Promise.all([once(socket, "secureConnect"), once(server.server, "secureConnection")]);
    return socket;
  };
  return { server, port, silent, secured, answer: answer.resolve, arrived: arrived.promise };
}

async function openTls() {
  const folder = await TlsFolder.create("first-server");
  const tls = await openTlsFiles(folder.paths, { scheduler: systemClock, onError: () => {} });
  onTestFinished(async () => {
    await tls.close();
    await folder.remove();
  });
  return tls;
}

async function ask(socket: Socket, request = REQUEST): Promise<string> {
  socket.write(request);
  const [data] = (await once(socket, "data")) as [Buffer];
  return data.toString().split("\r\n")[0] ?? "";
}

/** Of each that the server has closed by now. */
async function closed(sockets: readonly Socket[]): Promise<boolean[]> {
  return Promise.all(
    sockets.map(async (socket) => {
      if (socket.closed) return true;
      const answer = ask(socket).catch(() => "none");
      return (await Promise.race([answer, once(socket, "close")])) !== "HTTP/1.1 200 OK";
    }),
  );
}

describe("above the limit", () => {
  it("the connection that has been silent for longest makes room", async () => {
    const { silent } = await open();
    const sockets = [await silent(), await silent(), await silent()];
    const fourth = await silent();
    expect(await ask(fourth)).toBe("HTTP/1.1 200 OK");
    expect(await closed(sockets)).toEqual([true, false, false]);
  });

  it("a connection is idle from its last answer on", async () => {
    const { silent } = await open();
    const sockets = [await silent(), await silent(), await silent()];
    const [first] = sockets;
    expect(first && (await ask(first))).toBe("HTTP/1.1 200 OK");
    await silent();
    expect(await closed(sockets)).toEqual([false, true, false]);
  });

  it("none is closed that waits for an answer: the new one is, if all do", async () => {
    const { silent, answer, arrived } = await open();
    const sockets = [await silent(), await silent(), await silent()];
    const slow = REQUEST.replace("now", "slow");
    const answers = sockets.map((socket) => ask(socket, slow));
    await arrived;
    const fourth = await silent();
    expect(await closed([fourth])).toEqual([true]);
    answer("here");
    expect(await Promise.all(answers)).toEqual(answers.map(() => "HTTP/1.1 200 OK"));
  });

  it("goes for TLS too, before and after the handshake", async () => {
    const { silent, secured } = await open({ isSecured: true });
    const [shaking, first, second] = [await silent(), await secured(), await secured()];
    const third = await secured();
    expect(await closed([shaking])).toEqual([true]);
    expect(await ask(first)).toBe("HTTP/1.1 200 OK");
    const fourth = await secured();
    expect(await closed([first, second, third, fourth])).toEqual([false, true, false, false]);
  });
});

it("a connection that says nothing is closed after the time for headers, though its client stays", async () => {
  const { server, port } = await open({ headersMs: 100 });
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  const [peer] = (await once(server.server, "connection")) as [Socket];
  await once(peer, "close");
  expect((await once(socket, "data")).toString()).toMatch("HTTP/1.1 400 Bad Request");
}, 5_000);
