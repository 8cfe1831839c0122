import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { LoadClient, type Route } from "../../bench/routing/load.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A server that answers the n-th request with `answer(n, request)`. */
async function serve(answer: (count: number, request: string) => string): Promise<number> {
  let count = 0;
  const server = createServer((socket) => {
    socket.on("data", (chunk) => socket.write(answer(count++, chunk.toString("latin1"))));
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

function ok(upstream: number, id = ""): string {
  return `HTTP/1.1 200 OK\r\nx-upstream: ${upstream}\r\nx-session-id: ${id}\r\ncontent-length: 2\r\n\r\n{}`;
}

const idOf = (request: string) => /x-session-id: (\S+)/.exec(request)?.[1];

async function load(route: Route) {
  const client = new LoadClient(route);
  const closed = await client.closedLoop({ connections: 4, durationMs: 100 });
  const open = await client.openLoop({ ratePerSecond: 500, durationMs: 100 });
  return { closed, open };
}

describe("the load client", () => {
  it("measures good answers, each once", async () => {
    let served = 0;
    const port = await serve((count, request) => {
      served = count + 1;
      return ok(1, idOf(request));
    });

    const { closed, open } = await load({ port, isSticky: true, echoesId: true });

    expect(closed).toMatchObject({ requests: served - open.requests, failures: 0 });
    expect(closed.requests).toBeGreaterThan(0);
    expect(open).toMatchObject({ requests: 50, failures: 0 });
    expect(open.p50Ms).toBeGreaterThan(0);
    expect(open.p99Ms).toBeGreaterThanOrEqual(open.p50Ms);
  });

  it.each([
    ["is an error", () => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"],
    ["lacks the session id", () => ok(1)],
    ["carries another session's id", () => ok(1, crypto.randomUUID())],
  ])("counts an answer that %s as a failure", async (_claim, answer) => {
    const port = await serve(answer);

    const { open } = await load({ port, isSticky: false, echoesId: true });

    expect(open).toMatchObject({ requests: 50, failures: 50 });
  });

  it("counts an answer from another endpoint than the session's as a failure on a sticky route", async () => {
    let upstream = 1;
    const port = await serve((_count, request) => ok(upstream, idOf(request)));
    const client = new LoadClient({ port, isSticky: true, echoesId: true });
    await client.openLoop({ ratePerSecond: 10_000, durationMs: 200 }); // each of its 2,000 sessions once

    upstream = 2;
    const moved = await client.openLoop({ ratePerSecond: 500, durationMs: 100 });

    expect(moved).toMatchObject({ requests: 50, failures: 50 });
  });

  it("counts what cannot be sent as failures", async () => {
    const { open } = await load({ port: 1, isSticky: false, echoesId: false });

    expect(open).toMatchObject({ requests: 50, failures: 50 });
  });
});
