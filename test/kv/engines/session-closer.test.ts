import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { createHttpCloseSession } from "../../../src/kv/engines/http-close-session.ts";
import {
  CLOSE_QUEUE_LIMIT,
  CLOSE_TIMEOUT_MS,
  SessionCloser,
  type CloseSession,
} from "../../../src/kv/engines/session-closer.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { until } from "../../support/until.ts";

const target = { host: "10.0.0.1", port: 1 };
const other = { host: "10.0.0.2", port: 1 };

/** Engines that answer when a test says so; an abort is a failure. */
function fake() {
  const clock = new FakeClock();
  const results: string[] = [];
  const asked: { at: string; session: string; end: (isClosed: boolean) => void }[] = [];
  const closeSession: CloseSession = ({ host }, session, signal) =>
    new Promise((end) => {
      signal.addEventListener("abort", () => end(false));
      asked.push({ at: host, session, end });
    });
  const observer = { sessionClosed: (result: string) => results.push(result) };
  const closer = new SessionCloser({ closeSession, scheduler: clock, observer });
  return { clock, results, asked, closer };
}

describe("sessions that are over", () => {
  it("are told to their engine one after the other, and to several at once", async () => {
    const { closer, asked, results } = fake();
    for (const session of ["a", "b"]) closer.closeSession(target, session);
    closer.closeSession(other, "c");
    expect(asked.map(({ at, session }) => `${at} ${session}`)).toEqual([
      "10.0.0.1 a",
      "10.0.0.2 c",
    ]);
    asked[0]?.end(true);
    await settle();
    expect(asked[2]).toMatchObject({ at: "10.0.0.1", session: "b" });
    asked[2]?.end(false);
    asked[1]?.end(true);
    await settle();
    expect(results).toEqual(["closed", "failed", "closed"]);
  });

  it("wait up to a limit for one engine, and are counted past it", async () => {
    const { closer, asked, results } = fake();
    for (let at = 0; at < CLOSE_QUEUE_LIMIT + 2; at++) closer.closeSession(target, `${at}`);
    expect(results).toEqual(["queue_full"]);
    for (let at = 0; at <= CLOSE_QUEUE_LIMIT; at++) {
      asked[at]?.end(true);
      await settle();
    }
    expect(asked).toHaveLength(CLOSE_QUEUE_LIMIT + 1);
    closer.closeSession(target, "later");
    expect(asked.at(-1)?.session).toBe("later");
  });

  it("are given up where the engine does not answer in time", async () => {
    const { clock, closer, asked, results } = fake();
    for (const session of ["a", "b"]) closer.closeSession(target, session);
    await clock.advance(CLOSE_TIMEOUT_MS - 1);
    expect(results).toEqual([]);
    await clock.advance(1);
    expect(results).toEqual(["failed"]);
    expect(asked.at(-1)?.session).toBe("b");
  });

  it("are not told any more once it is closed", async () => {
    const { clock, closer, asked, results } = fake();
    for (const session of ["a", "b"]) closer.closeSession(target, session);
    await closer.close();
    await closer.close();
    closer.closeSession(other, "c");
    expect(asked).toHaveLength(1);
    expect(results).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("over HTTP", () => {
  const open: (() => Promise<void>)[] = [];
  afterEach(() => Promise.all(open.splice(0).map((close) => close())));

  async function serve(status: number) {
    const requests: string[] = [];
    const sockets = new Set<unknown>();
    const server: Server = createServer((request, response) => {
      sockets.add(request.socket.remotePort);
      void text(request).then((body) => {
        requests.push(
          `${request.method} ${request.url} ${request.headers["content-type"]} ${body}`,
        );
        response.writeHead(status).end("null");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const results: string[] = [];
    const closer = new SessionCloser({
      closeSession: createHttpCloseSession(),
      scheduler: systemClock,
      observer: { sessionClosed: (result) => results.push(result) },
    });
    open.push(async () => {
      server.close();
      await closer.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    return { requests, sockets, results, closer, server, at: { host: "127.0.0.1", port } };
  }

  it("an engine is told as SGLang wants it, over one connection", async () => {
    const { requests, sockets, results, closer, at } = await serve(200);
    for (const session of ["moorline-1", 'mo"2']) closer.closeSession(at, session);
    await until(() => results.length === 2);
    expect(requests).toEqual([
      'POST /close_session application/json {"session_id":"moorline-1"}',
      'POST /close_session application/json {"session_id":"mo\\"2"}',
    ]);
    expect(results).toEqual(["closed", "closed"]);
    expect(sockets.size).toBe(1);
  });

  it.each([400, 404, 500, 302])("status %i is a failure", async (status) => {
    const { results, closer, at } = await serve(status);
    closer.closeSession(at, "s");
    await until(() => results.length === 1);
    expect(results).toEqual(["failed"]);
  });

  it("an engine that is gone is a failure", async () => {
    const { results, closer, server, at } = await serve(200);
    await new Promise((resolve) => server.close(resolve));
    closer.closeSession(at, "s");
    await until(() => results.length === 1);
    expect(results).toEqual(["failed"]);
  });

  it("of an answer without end only the status counts", async () => {
    const { results, closer, server, at } = await serve(200);
    server.removeAllListeners("request").on("request", (_, response) => {
      const more = () => {
        if (!response.destroyed) response.write("x".repeat(65_536), more);
      };
      more();
    });
    closer.closeSession(at, "s");
    await until(() => results.length === 1);
    expect(results).toEqual(["closed"]);
  });
});
