import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { credentials, status } from "@grpc/grpc-js";
import type { ChannelCredentials } from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { Scheduler } from "../../src/clock.ts";
import type { AppError } from "../../src/errors.ts";
import { openTlsFiles } from "../../src/extproc/tls.ts";
import type { TlsContext, TlsFiles, TlsPaths } from "../../src/extproc/tls.ts";
import type { ListenAddress } from "../../src/extproc/transport.ts";
import { echo } from "../support/exchange-log.ts";
import {
  connectSocket,
  createClient,
  ExtProcStream,
  openConnection,
  resetStreams,
} from "../support/ext-proc-client.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { createTransport, eventually, loopback } from "../support/grpc-server.ts";
import type { StartedTransport } from "../support/grpc-server.ts";
import { certificateFile, readCertificate, TlsFolder } from "../support/tls/certificates.ts";
import type { ServerName } from "../support/tls/certificates.ts";

const clientCaFile = certificateFile("first-ca.crt");

async function openFolder(server: ServerName): Promise<TlsFolder> {
  const folder = await TlsFolder.create(server);
  onTestFinished(() => folder.remove());
  return folder;
}

interface Opened {
  readonly files: TlsFiles;
  readonly errors: AppError[];
}

async function openFiles(paths: TlsPaths, scheduler: Scheduler = systemClock): Promise<Opened> {
  const errors: AppError[] = [];
  const onError = (error: AppError) => void errors.push(error);
  const files = await openTlsFiles(paths, { scheduler, onError });
  onTestFinished(() => files.close());
  return { files, errors };
}

async function startTls(tls: TlsFiles): Promise<StartedTransport & { address: ListenAddress }> {
  const started = createTransport(echo, { tls });
  return { ...started, address: await started.transport.listen(loopback) };
}

async function openStream(
  address: ListenAddress,
  channelCredentials: ChannelCredentials,
): Promise<ExtProcStream> {
  const client = createClient(address, channelCredentials);
  onTestFinished(() => client.close());
  return new ExtProcStream(client);
}

async function trusting(authority: "first" | "second"): Promise<ChannelCredentials> {
  return credentials.createSsl(await readCertificate(`${authority}-ca.crt`));
}

async function asFirstClient(): Promise<ChannelCredentials> {
  return credentials.createSsl(
    await readCertificate("first-ca.crt"),
    await readCertificate("first-client.key"),
    await readCertificate("first-client.crt"),
  );
}

/** The next content that is taken into use. */
function nextContext(files: TlsFiles): Promise<TlsContext> {
  return new Promise((resolve) => {
    const unsubscribe = files.subscribe((context) => {
      unsubscribe();
      resolve(context);
    });
  });
}

describe("a listener with TLS", () => {
  it("serves a client that trusts its authority, and no other", async () => {
    const folder = await openFolder("first-server");
    const { address } = await startTls((await openFiles(folder.paths)).files);
    const stream = await openStream(address, await trusting("first"));
    expect(await stream.ask("hello")).toBe("hello");
    const distrustful = await openStream(address, await trusting("second"));
    expect((await distrustful.status).code).toBe(status.UNAVAILABLE);
  });

  it("serves no client without TLS", async () => {
    const folder = await openFolder("first-server");
    const { address, counts } = await startTls((await openFiles(folder.paths)).files);
    const stream = await openStream(address, credentials.createInsecure());
    expect((await stream.status).code).toBe(status.UNAVAILABLE);
    expect(counts.openedEver).toBe(0);
  });

  it("keeps a connection whose streams are all reset", { timeout: 30_000 }, async () => {
    const folder = await openFolder("first-server");
    const { address, counts } = await startTls((await openFiles(folder.paths)).files);
    const ca = await readCertificate("first-ca.crt");
    const socket = connectTls({
      socket: connectSocket(address),
      servername: "localhost",
      ca,
      ALPNProtocols: ["h2"],
    });
    const session = await openConnection(socket);
    await resetStreams(session, 2_000);
    await eventually(() => expect(counts).toMatchObject({ open: 0, openedEver: 2_000 }));
    expect(session.closed).toBe(false);
  });

  it("cuts a handshake that never ends when the grace of close is over", async () => {
    const folder = await openFolder("first-server");
    const { address, transport, clock } = await startTls((await openFiles(folder.paths)).files);
    const silent = connectSocket(address).resume();
    await once(silent, "connect");
    const ended = once(silent, "close");
    const closed = transport.close(10_000);
    await clock.advance(10_000);
    await Promise.all([closed, ended]);
    expect(silent.destroyed).toBe(true);
  });

  it("cuts an open stream when the grace of close is over", async () => {
    const folder = await openFolder("first-server");
    const { address, transport, clock } = await startTls((await openFiles(folder.paths)).files);
    const stream = await openStream(address, await trusting("first"));
    await stream.ask("hello");
    const closed = transport.close(10_000);
    await clock.advance(10_000);
    await closed;
    expect((await stream.status).code).not.toBe(status.OK);
  });
});

describe("a listener with client authorities", () => {
  it("serves a client with a certificate of theirs", async () => {
    const folder = await openFolder("first-server");
    const { files } = await openFiles({ ...folder.paths, clientCaFile });
    const { address } = await startTls(files);
    const stream = await openStream(address, await asFirstClient());
    expect(await stream.ask("hello")).toBe("hello");
  });

  it("refuses a client without a certificate", async () => {
    const folder = await openFolder("first-server");
    const { files } = await openFiles({ ...folder.paths, clientCaFile });
    const { address, counts } = await startTls(files);
    const stream = await openStream(address, await trusting("first"));
    expect((await stream.status).code).toBe(status.UNAVAILABLE);
    expect(counts.openedEver).toBe(0);
  });

  it("refuses a client with a certificate of another authority", async () => {
    const folder = await openFolder("first-server");
    const { files } = await openFiles({
      ...folder.paths,
      clientCaFile: certificateFile("second-ca.crt"),
    });
    const { address, counts } = await startTls(files);
    const stream = await openStream(address, await asFirstClient());
    expect((await stream.status).code).toBe(status.UNAVAILABLE);
    expect(counts.openedEver).toBe(0);
  });
});

describe("replaced files", () => {
  it("serve new connections, and leave the old one in place", async () => {
    const folder = await openFolder("first-server");
    const { files, errors } = await openFiles(folder.paths);
    const { address } = await startTls(files);
    const old = await openStream(address, await trusting("first"));
    await old.ask("before");

    const replaced = nextContext(files);
    await folder.install("second-server");
    await replaced;
    const fresh = await openStream(address, await trusting("second"));
    expect(await fresh.ask("hello")).toBe("hello");
    expect(await old.ask("after")).toBe("after");
    expect(errors).toEqual([]);
  });

  it("that do not fit together are told of, and the last good ones stay", async () => {
    const folder = await openFolder("first-server");
    const { files, errors } = await openFiles(folder.paths);
    const { address } = await startTls(files);
    await folder.installCertificate(await readCertificate("second-server.crt"));
    await eventually(() => expect(errors).toHaveLength(1));
    expect(errors[0]).toMatchObject({
      code: "tls_invalid",
      message: expect.stringContaining(folder.paths.certFile),
    });
    const stream = await openStream(address, await trusting("first"));
    expect(await stream.ask("hello")).toBe("hello");
  });

  it("that stay bad are told of once", async () => {
    const clock = new FakeClock();
    const folder = await openFolder("first-server");
    const { files, errors } = await openFiles(folder.paths, clock);
    for (const _ of ["first", "second"]) {
      await folder.installCertificate("not a certificate");
      await eventually(() => expect(clock.pendingTimers).toBe(1));
      await clock.advance(100);
      await eventually(() => expect(errors).toHaveLength(1));
    }
    await files.close(); // waits for the read that is under way
    expect(errors).toHaveLength(1);
  });

  it("are used as soon as they are good again", async () => {
    const folder = await openFolder("first-server");
    const { files, errors } = await openFiles(folder.paths);
    await folder.installCertificate("not a certificate");
    await eventually(() => expect(errors).toHaveLength(1));
    const replaced = nextContext(files);
    await folder.install("second-server");
    expect((await replaced).cert).toEqual(await readCertificate("second-server.crt"));
    expect(errors).toHaveLength(1);
  });
});

describe("files that cannot be used", () => {
  it.each([
    ["a certificate that is missing", { certFile: "/nowhere/tls.crt" }],
    ["a certificate that is none", { certFile: certificateFile("certificates.ts") }],
    ["a key of another certificate", { keyFile: certificateFile("second-server.key") }],
    ["client authorities that are none", { clientCaFile: certificateFile("certificates.ts") }],
  ])("keep a server from starting: %s", async (_, paths) => {
    const good = {
      certFile: certificateFile("first-server.crt"),
      keyFile: certificateFile("first-server.key"),
    };
    const file = Object.values(paths)[0];
    await expect(openFiles({ ...good, ...paths })).rejects.toMatchObject({
      code: "tls_invalid",
      message: expect.stringContaining(String(file)),
    });
  });
});
