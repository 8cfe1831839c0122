import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { status } from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ListenAddress } from "../../src/extproc/transport.ts";
import { echo, ExchangeLog } from "../support/exchange-log.ts";
import {
  connectSocket,
  createClient,
  ExtProcStream,
  openConnection,
} from "../support/ext-proc-client.ts";
import { createTransport, eventually, loopback, start } from "../support/grpc-server.ts";

async function openFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "moorline-listen-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

async function openUnixAddress(): Promise<ListenAddress & { kind: "unix" }> {
  return { kind: "unix", path: join(await openFolder(), "ext-proc.sock") };
}

async function askOnce(address: ListenAddress, message: string): Promise<string> {
  const client = createClient(address);
  const stream = new ExtProcStream(client);
  const reply = await stream.ask(message);
  stream.halfClose();
  await stream.status;
  client.close();
  return reply;
}

describe("a TCP listener", () => {
  it("says which port it got", async () => {
    const { address } = await start(echo);
    expect(address).toEqual({ kind: "tcp", host: "127.0.0.1", port: expect.any(Number) });
    expect(address).not.toEqual(loopback);
  });

  it("that cannot be opened says where and why", async () => {
    const { address } = await start(echo);
    const { transport } = createTransport(echo);
    await expect(transport.listen(address)).rejects.toMatchObject({
      code: "listen_failed",
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ is taken: another process listens there$/),
    });
  });

  it("works beside others of the same transport", async () => {
    const { transport, address, counts } = await start(echo);
    const second = await transport.listen(loopback);
    const third = await transport.listen(await openUnixAddress());
    const addresses = [address, second, third];
    const replies = await Promise.all(addresses.map((one, index) => askOnce(one, `to ${index}`)));
    expect(replies).toEqual(["to 0", "to 1", "to 2"]);
    expect(counts.openedEver).toBe(3);
  });
});

describe("a Unix socket", () => {
  it("serves, is open to its owner and group alone, and is removed by close", async () => {
    const { transport } = createTransport(echo);
    const address = await openUnixAddress();
    await transport.listen(address);
    expect((await stat(address.path)).mode & 0o777).toBe(0o660);
    expect(await askOnce(address, "hello")).toBe("hello");
    await transport.close(0);
    await expect(stat(address.path)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("left behind by a process that was killed is replaced", async () => {
    const address = await openUnixAddress();
    await leaveStaleSocket(address.path);
    const { transport } = createTransport(echo);
    await transport.listen(address);
    expect(await askOnce(address, "hello")).toBe("hello");
  });

  it("on which another process listens is refused and left in place", async () => {
    const address = await openUnixAddress();
    const other = createServer().listen(address.path);
    await once(other, "listening");
    onTestFinished(() => void other.close());
    const { transport } = createTransport(echo);
    await expect(transport.listen(address)).rejects.toMatchObject({
      code: "listen_failed",
      message: `unix:${address.path} is taken: another process listens there`,
    });
    expect((await stat(address.path)).isSocket()).toBe(true);
  });

  it("never replaces a file that is not a socket", async () => {
    const address = await openUnixAddress();
    await writeFile(address.path, "precious");
    const { transport } = createTransport(echo);
    await expect(transport.listen(address)).rejects.toThrow("exists and is not a socket");
    expect((await stat(address.path)).size).toBe("precious".length);
  });

  it("with a path that is too long is refused with the limit", async () => {
    const { transport } = createTransport(echo);
    const path = `/tmp/${"x".repeat(200)}`;
    await expect(transport.listen({ kind: "unix", path })).rejects.toThrow(
      /the path has 205 bytes, the limit is 10[37]/,
    );
  });
});

describe("close", () => {
  it("lets an open exchange finish, and accepts no new connection meanwhile", async () => {
    const { transport, address, client } = await start(echo);
    const stream = new ExtProcStream(client);
    await stream.ask("before");
    const closed = transport.close(10_000);
    const refused = connectSocket(address);
    await expect(once(refused, "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect(await stream.ask("during")).toBe("during");
    stream.halfClose();
    expect((await stream.status).code).toBe(status.OK);
    await closed;
  });

  it("cuts what is still open when the grace is over", async () => {
    const log = new ExchangeLog((message, sink) => sink.send(message));
    const { transport, client, clock, counts } = await start(log.open);
    const stream = new ExtProcStream(client);
    await stream.ask("hello");
    const closed = transport.close(10_000);
    await clock.advance(9_999);
    expect(await stream.ask("just in time")).toBe("just in time");
    await clock.advance(1);
    await closed;
    await eventually(() => expect(counts.open).toBe(0));
    expect(log.events).toEqual(["hello", "just in time", "CANCEL"]);
    expect((await stream.status).code).not.toBe(status.OK);
  });

  it("does not wait for a connection without streams", async () => {
    const { transport, address } = await start(echo);
    const session = await openConnection(connectSocket(address));
    await once(session, "remoteSettings");
    const closed = once(session, "close");
    await transport.close(10_000);
    await closed;
    expect(session.destroyed).toBe(true);
  });

  it("is the same close when called again, and leaves no timer", async () => {
    const { transport, clock } = await start(echo);
    const first = transport.close(10_000);
    expect(transport.close(0)).toBe(first);
    await first;
    expect(clock.pendingTimers).toBe(0);
  });
});

/** A socket file whose process died by SIGKILL. */
async function leaveStaleSocket(path: string): Promise<void> {
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
}
