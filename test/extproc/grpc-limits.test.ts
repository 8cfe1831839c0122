import { once } from "node:events";
import { status } from "@grpc/grpc-js";
import type { Server } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import {
  CONNECTION_WINDOW_BYTES,
  MAX_RECEIVE_BYTES,
  setHttp2Options,
} from "../../src/extproc/grpc-transport.ts";
import type { OpenExchange } from "../../src/extproc/transport.ts";
import { echo, ExchangeLog } from "../support/exchange-log.ts";
import {
  connectSocket,
  createClient,
  ExtProcStream,
  openBareStream,
  openConnection,
} from "../support/ext-proc-client.ts";
import { eventually, start } from "../support/grpc-server.ts";

const answerLength: OpenExchange = (sink) => ({
  message: (message) => sink.send(Buffer.from(String(message.length))),
  end: () => {},
  cancel: () => {},
});

describe("a message of 33 MiB", { timeout: 30_000 }, () => {
  it.each([MAX_RECEIVE_BYTES - 1, MAX_RECEIVE_BYTES])(
    "or less is delivered whole: %i bytes [C18]",
    async (length) => {
      const { client } = await start(answerLength);
      const stream = new ExtProcStream(client);
      expect(await stream.ask(Buffer.alloc(length))).toBe(String(length));
    },
  );

  it("and one byte ends its own stream with RESOURCE_EXHAUSTED, and no other [C18]", async () => {
    const log = new ExchangeLog((message, sink) => sink.send(message));
    const { client, counts } = await start(log.open);
    const other = new ExtProcStream(client);
    await other.ask("before");
    const stream = new ExtProcStream(client);
    stream.send(Buffer.alloc(MAX_RECEIVE_BYTES + 1));
    expect((await stream.status).code).toBe(status.RESOURCE_EXHAUSTED);
    await eventually(() => expect(counts.open).toBe(1));
    expect(await other.ask("after")).toBe("after");
    expect(log.events).toEqual(["before", "CANCEL", "after"]);
  });

  it("and one byte is refused also in mid-conversation [C18]", async () => {
    const log = new ExchangeLog((message, sink) => sink.send(message));
    const { client } = await start(log.open);
    const stream = new ExtProcStream(client);
    await stream.ask("hello");
    stream.send(Buffer.alloc(MAX_RECEIVE_BYTES + 1));
    expect((await stream.status).code).toBe(status.RESOURCE_EXHAUSTED);
    await eventually(() => expect(log.events).toEqual(["hello", "CANCEL"]));
  });
});

describe("the limit on open exchanges", () => {
  it("refuses the one above it with UNAVAILABLE, and admits again when one has ended", async () => {
    const { client, counts } = await start(echo, { maxOpenExchanges: 2 });
    const first = new ExtProcStream(client);
    const second = new ExtProcStream(client);
    await Promise.all([first.ask("one"), second.ask("two")]);

    const third = new ExtProcStream(client);
    third.send("three");
    expect((await third.status).code).toBe(status.UNAVAILABLE);
    expect(counts).toMatchObject({ open: 2, openedEver: 2, refusedEver: 1 });
    expect(await first.ask("still served")).toBe("still served");

    first.halfClose();
    await first.status;
    await eventually(() => expect(counts.open).toBe(1));
    expect(await new ExtProcStream(client).ask("four")).toBe("four");
  });

  it("counts over all connections", async () => {
    const { address, client, counts } = await start(echo, { maxOpenExchanges: 1 });
    await new ExtProcStream(client).ask("one");
    const another = createClient(address);
    const refused = new ExtProcStream(another);
    expect((await refused.status).code).toBe(status.UNAVAILABLE);
    expect(counts.refusedEver).toBe(1);
    another.close();
  });
});

describe("an exchange that breaks its promise", () => {
  it.each([
    [
      "throws",
      () => {
        throw new Error("a bug");
      },
    ],
    ["rejects", () => Promise.reject(new Error("a bug"))],
  ])("and %s ends its own stream cleanly, is cancelled once and reported", async (_, message) => {
    const log = new ExchangeLog((bytes, sink) => {
      if (bytes.length === 3) return message();
      return sink.send(bytes);
    });
    const { client, counts } = await start(log.open);
    const other = new ExtProcStream(client);
    await other.ask("other");
    const stream = new ExtProcStream(client);
    stream.send("bug");
    expect((await stream.status).code).toBe(status.OK);
    await eventually(() => expect(counts.open).toBe(1));
    expect(log.events).toEqual(["other", "bug", "CANCEL"]);
    expect(counts.failures).toEqual(["a bug"]);
    expect(await other.ask("still served")).toBe("still served");
  });
});

describe("what is not ext_proc", () => {
  it("over HTTP/2 harms no other connection", async () => {
    const { address, client } = await start(echo);
    const stream = new ExtProcStream(client);
    await stream.ask("before");
    const babble = connectSocket(address).resume();
    babble.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "x".repeat(10_000));
    await once(babble, "close");
    const http1 = connectSocket(address).resume();
    http1.end("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await once(http1, "close");
    expect(await stream.ask("after")).toBe("after");
  });

  it("in a compressed message ends its own stream, and cancels its exchange", async () => {
    const log = new ExchangeLog((message, sink) => sink.send(message));
    const { address, client } = await start(log.open);
    const session = await openConnection(connectSocket(address));
    const stream = openBareStream(session, { "grpc-encoding": "gzip" });
    stream.write(Buffer.from([1, 0, 0, 0, 2, 0xff, 0xff]));
    const [headers] = await once(stream, "response");
    expect(headers["grpc-status"]).toBe(String(status.INTERNAL));
    await eventually(() => expect(log.events).toEqual(["CANCEL"]));
    expect(await new ExtProcStream(client).ask("hello")).toBe("hello");
  });
});

describe("the server", () => {
  it("answers a method that it does not have with UNIMPLEMENTED", async () => {
    const { client } = await start(echo);
    const stream = new ExtProcStream(client, "/envoy.service.ext_proc.v3.ExternalProcessor/Other");
    expect((await stream.status).code).toBe(status.UNIMPLEMENTED);
  });

  it("takes a MiB of each body before it must answer, and as many streams as exchanges", async () => {
    const { address } = await start(echo);
    const session = await openConnection(connectSocket(address));
    await eventually(() =>
      expect(session.remoteSettings).toMatchObject({
        initialWindowSize: 1024 * 1024,
        maxConcurrentStreams: 65_536,
      }),
    );
  });

  it("takes the first bytes of sixteen bodies on one connection before it must answer", async () => {
    const { address } = await start(echo);
    const session = await openConnection(connectSocket(address));
    await eventually(() => expect(session.state.remoteWindowSize).toBe(CONNECTION_WINDOW_BYTES));
    expect(CONNECTION_WINDOW_BYTES).toBe(16 * 1024 * 1024);
  });

  it("does not start on a grpc-js whose reset budget it cannot raise", () => {
    expect(() => setHttp2Options({} as Server)).toThrow("grpc-js has changed");
  });
});
