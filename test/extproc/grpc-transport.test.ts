import { once } from "node:events";
import { status } from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  connectSocket,
  ExtProcStream,
  frame,
  FrameStream,
  openBareStream,
  openConnection,
  resetStreams,
} from "../support/ext-proc-client.ts";
import { echo, ExchangeLog } from "../support/exchange-log.ts";
import { eventually, start } from "../support/grpc-server.ts";

describe("messages", () => {
  it("are answered in order on one stream", async () => {
    const { client } = await start(echo);
    const stream = new ExtProcStream(client);
    const messages = Array.from({ length: 200 }, (_, index) => `message ${index}`);
    for (const message of messages) stream.send(message);
    const replies = [];
    for (const _ of messages) replies.push((await stream.reply()).toString());
    expect(replies).toEqual(messages);
  });

  it("of many streams at once do not mix", async () => {
    const { client, counts } = await start(echo);
    const conversations = Array.from({ length: 64 }, async (_, id) => {
      const stream = new ExtProcStream(client);
      const replies = [];
      for (let turn = 0; turn < 20; turn += 1) replies.push(await stream.ask(`${id}:${turn}`));
      stream.halfClose();
      expect((await stream.status).code).toBe(status.OK);
      return replies.every((reply, turn) => reply === `${id}:${turn}`);
    });
    expect(await Promise.all(conversations)).toEqual(Array(64).fill(true));
    await eventually(() => expect(counts).toMatchObject({ open: 0, openedEver: 64 }));
  });

  it("wait for the promise of the one before", async () => {
    const first = Promise.withResolvers<void>();
    const log = new ExchangeLog((message, sink) => {
      sink.send(message);
      return log.events.length === 1 ? first.promise : undefined;
    });
    const { client } = await start(log.open);
    const stream = new ExtProcStream(client);
    stream.send("slow");
    stream.send("next");
    await stream.reply();
    await new ExtProcStream(client).ask("on another stream");
    expect(log.events).toEqual(["slow", "on another stream"]);
    first.resolve();
    expect((await stream.reply()).toString()).toBe("next");
  });

  it("are passed on as they are, protobuf or not", async () => {
    const { client } = await start(echo);
    const garbage = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const stream = new ExtProcStream(client);
    stream.send(garbage);
    expect(await stream.reply()).toEqual(garbage);
  });

  it("are copied when sent, so that the sender may reuse its buffer", async () => {
    const scratch = Buffer.alloc(3);
    const { client } = await start((sink) => ({
      message: () => {
        for (const text of ["one", "two"]) {
          scratch.write(text);
          sink.send(new Uint8Array(scratch.buffer, scratch.byteOffset, scratch.length));
        }
      },
      end: () => {},
      cancel: () => {},
    }));
    const stream = new ExtProcStream(client);
    expect(await stream.ask("go")).toBe("one");
    expect((await stream.reply()).toString()).toBe("two");
  });

  it("that wait by the thousand behind a slow one are delivered without recursion", async () => {
    const slow = Promise.withResolvers<void>();
    let delivered = 0;
    const { address } = await start((sink) => ({
      message: () => {
        delivered += 1;
        if (delivered === 1) return slow.promise;
        if (delivered === 10_000) sink.end();
        return undefined;
      },
      end: () => {},
      cancel: () => {},
    }));
    const session = await openConnection(connectSocket(address));
    const stream = openBareStream(session);
    stream.write(Buffer.alloc(10_000 * 5)); // ten thousand empty messages
    await eventually(() => expect(delivered).toBe(1));
    slow.resolve();
    await eventually(() => expect(delivered).toBe(10_000));
  });
});

describe("back-pressure", () => {
  it("reads nothing more from a peer that does not take its replies", async () => {
    const reply = Buffer.alloc(200_000); // more than the 64 KiB that HTTP/2 lets through unread
    let delivered = 0;
    const { address, client } = await start((sink) => ({
      message: (message) => {
        if (message.length === 0) return sink.send(message);
        delivered += 1;
        sink.send(reply);
      },
      end: () => {},
      cancel: () => {},
    }));
    const session = await openConnection(connectSocket(address));
    const stream = openBareStream(session);
    for (let sent = 0; sent < 20; sent += 1) stream.write(frame("more"));
    await once(stream, "response");
    for (let turn = 0; turn < 20; turn += 1) await new ExtProcStream(client).ask("");
    expect(delivered).toBe(1);

    stream.resume();
    await eventually(() => expect(delivered).toBe(20));
  });
});

describe("the end of a stream", () => {
  it("is told once when the peer half-closes, and answered with OK", async () => {
    const log = new ExchangeLog((message, sink) => sink.send(message));
    const { client, counts } = await start(log.open);
    const stream = new ExtProcStream(client);
    await stream.ask("hello");
    stream.halfClose();
    expect((await stream.status).code).toBe(status.OK);
    await eventually(() => expect(counts.open).toBe(0));
    expect(log.events).toEqual(["hello", "END"]);
  });

  it("is told when the peer half-closes without a message", async () => {
    const log = new ExchangeLog();
    const { client } = await start(log.open);
    const stream = new ExtProcStream(client);
    stream.halfClose();
    expect((await stream.status).code).toBe(status.OK);
    expect(log.events).toEqual(["END"]);
  });

  it("sends what `end` still has to say before the status", async () => {
    const { client } = await start((sink) => ({
      message: () => {},
      end: () => sink.send(Buffer.from("last words")),
      cancel: () => {},
    }));
    const stream = new ExtProcStream(client);
    stream.halfClose();
    expect((await stream.reply()).toString()).toBe("last words");
    expect((await stream.status).code).toBe(status.OK);
  });

  it("by our own side is OK, and nothing is told or sent after it [C17]", async () => {
    const log = new ExchangeLog((message, sink) => {
      sink.send(message);
      sink.end();
      sink.end();
      sink.send(Buffer.from("too late"));
    });
    const { client, counts } = await start(log.open);
    const stream = new ExtProcStream(client);
    expect(await stream.ask("hello")).toBe("hello");
    stream.send("unheard");
    stream.halfClose();
    await expect(stream.reply()).rejects.toThrow("without a reply");
    expect((await stream.status).code).toBe(status.OK);
    await eventually(() => expect(counts.open).toBe(0));
    expect(log.events).toEqual(["hello"]);
  });

  it("by our own side is a clean one also before any reply", async () => {
    const { client } = await start((sink) => ({
      message: () => sink.end(),
      end: () => {},
      cancel: () => {},
    }));
    const stream = new ExtProcStream(client);
    stream.send("hello");
    expect((await stream.status).code).toBe(status.OK);
  });

  it("by our own side is an error where that is asked for, after what was sent", async () => {
    const log = new ExchangeLog((message, sink) => {
      sink.send(message);
      sink.fail();
      sink.end();
    });
    const { client, counts } = await start(log.open);
    const stream = new ExtProcStream(client);
    expect(await stream.ask("hello")).toBe("hello");
    expect((await stream.status).code).toBe(status.INTERNAL);
    await eventually(() => expect(counts.open).toBe(0));
    expect(log.events).toEqual(["hello"]);
  });

  it("is told once when a half-close and a reset come together", async () => {
    const log = new ExchangeLog((message, sink) => sink.send(message));
    const { address, counts } = await start(log.open);
    const session = await openConnection(connectSocket(address));
    const stream = openBareStream(session);
    stream.write(frame("hello"));
    await once(stream, "response");
    stream.end();
    stream.close(8); // CANCEL, as Envoy does it
    await eventually(() => expect(counts).toMatchObject({ open: 0, openedEver: 1 }));
    expect(log.events).toEqual(["hello", expect.stringMatching("END|CANCEL")]);
  });
});

describe("a reset", () => {
  it("before any message is told once", async () => {
    const log = new ExchangeLog();
    const { address, counts } = await start(log.open);
    const stream = new FrameStream(address);
    onTestFinished(() => stream.close());
    await eventually(() => expect(counts.open).toBe(1));
    stream.reset();
    await eventually(() => expect(counts.open).toBe(0));
    expect(log.events).toEqual(["CANCEL"]);
  });

  it("between two messages is told once", async () => {
    const log = new ExchangeLog((message, sink) => sink.send(message));
    const { address, counts } = await start(log.open);
    const stream = new FrameStream(address);
    onTestFinished(() => stream.close());
    stream.send("hello");
    await eventually(() => expect(log.events).toEqual(["hello"]));
    stream.reset();
    await eventually(() => expect(counts.open).toBe(0));
    expect(log.events).toEqual(["hello", "CANCEL"]);
  });

  it("by a client that half-closes first, as grpc-js does to cancel, is told once", async () => {
    const log = new ExchangeLog((message, sink) => sink.send(message));
    const { client, counts } = await start(log.open);
    const stream = new ExtProcStream(client);
    await stream.ask("hello");
    stream.cancel();
    await eventually(() => expect(counts.open).toBe(0));
    expect(log.events).toEqual(["hello", expect.stringMatching("END|CANCEL")]);
  });

  it("is told at once while a message is pending, whose late reply and failure change nothing", async () => {
    const pending = Promise.withResolvers<void>();
    const log = new ExchangeLog(async (message, sink) => {
      await pending.promise;
      sink.send(message);
      sink.end();
    });
    const { client, counts } = await start(log.open);
    const stream = new ExtProcStream(client);
    stream.send("hello");
    await eventually(() => expect(log.events).toEqual(["hello"]));
    stream.cancel();
    await eventually(() => expect(log.events).toEqual(["hello", "CANCEL"]));
    pending.resolve();
    expect(await new ExtProcStream(client).ask("another")).toBe("another");
    await eventually(() => expect(counts.open).toBe(0));
    expect(log.events).toEqual(["hello", "CANCEL", "another"]);
  });

  it("of a stream that does not take its replies is told", async () => {
    const log = new ExchangeLog((_, sink) => sink.send(Buffer.alloc(200_000)));
    const { address, counts } = await start(log.open);
    const session = await openConnection(connectSocket(address));
    const stream = openBareStream(session);
    stream.write(frame("hello"));
    await once(stream, "response");
    stream.close(8);
    await eventually(() => expect(counts.open).toBe(0));
    expect(log.events).toEqual(["hello", "CANCEL"]);
  });

  it("of a connection is told to every stream on it, and to no other", async () => {
    const log = new ExchangeLog((message, sink) => sink.send(message));
    const { address, client, counts } = await start(log.open);
    const session = await openConnection(connectSocket(address));
    const lost = [openBareStream(session), openBareStream(session)];
    for (const stream of lost) stream.write(frame("lost"));
    await Promise.all(lost.map((stream) => once(stream, "response")));
    const other = new ExtProcStream(client);
    await other.ask("other");
    session.destroy();
    await eventually(() => expect(counts.open).toBe(1));
    expect(log.events).toEqual(["lost", "lost", "other", "CANCEL", "CANCEL"]);
    expect(await other.ask("still here")).toBe("still here");
  });

  it(
    "of each of 2,000 streams leaves their one connection in place",
    { timeout: 30_000 },
    async () => {
      const { address, counts } = await start(echo);
      const session = await openConnection(connectSocket(address));
      await resetStreams(session, 2_000);
      await eventually(() => expect(counts).toMatchObject({ open: 0, openedEver: 2_000 }));
      expect(session.closed).toBe(false);
    },
  );
});
