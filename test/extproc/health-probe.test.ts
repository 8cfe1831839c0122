import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createGrpcTransport } from "../../src/extproc/grpc-transport.ts";
import { probeHealth } from "../../src/extproc/health-probe.ts";
import { GrpcHealth } from "../../src/extproc/health.ts";
import { openTlsFiles } from "../../src/extproc/tls.ts";
import type { TlsPaths } from "../../src/extproc/tls.ts";
import type { ListenAddress } from "../../src/extproc/transport.ts";
import { echo, ExchangeCounts } from "../support/exchange-log.ts";
import { FakeClock } from "../support/fake-clock.ts";

const loopback: ListenAddress = { kind: "tcp", host: "127.0.0.1", port: 0 };
const timeoutMs = 2000;

interface Started {
  readonly address: ListenAddress;
  readonly health: GrpcHealth;
}

async function start(listen: ListenAddress = loopback, tlsPaths?: TlsPaths): Promise<Started> {
  const scheduler = new FakeClock();
  const health = new GrpcHealth();
  const tls =
    tlsPaths &&
    (await openTlsFiles(tlsPaths, {
      scheduler,
      onError: (error) => expect.unreachable(error.message),
    }));
  const transport = createGrpcTransport({
    openExchange: echo,
    observer: new ExchangeCounts(),
    health,
    scheduler,
    tls,
  });
  onTestFinished(async () => {
    const closed = transport.close(0);
    await scheduler.advance(0);
    await closed;
    await tls?.close();
  });
  return { address: await transport.listen(listen), health };
}

function probe(address: ListenAddress, tls: Parameters<typeof probeHealth>[0]["tls"] = null) {
  return probeHealth({ address, tls, timeoutMs, scheduler: new FakeClock() });
}

function certificate(name: string): string {
  return join(import.meta.dirname, "../support/tls", name);
}

async function ownPair(name: string) {
  return {
    cert: await readFile(certificate(`${name}.crt`)),
    key: await readFile(certificate(`${name}.key`)),
  };
}

describe("a probe", () => {
  it("succeeds once the server is ready, and fails before", async () => {
    const { address, health } = await start();
    await expect(probe(address)).rejects.toThrow("readiness is NOT_SERVING");
    health.setReady(true);
    await expect(probe(address)).resolves.toBeUndefined();
  });

  it("reaches a Unix socket", async () => {
    const folder = await mkdtemp(join(tmpdir(), "moorline-probe-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const { address, health } = await start({ kind: "unix", path: join(folder, "extproc.sock") });
    health.setReady(true);
    await expect(probe(address)).resolves.toBeUndefined();
  });

  it("asks a listener on every address on loopback", async () => {
    const { address, health } = await start({ ...loopback, host: "0.0.0.0" });
    health.setReady(true);
    await expect(probe(address)).resolves.toBeUndefined();
  });

  it("speaks TLS to a server whose authority it does not know", async () => {
    const { address, health } = await start(loopback, {
      certFile: certificate("second-server.crt"),
      keyFile: certificate("second-server.key"),
    });
    health.setReady(true);
    await expect(probe(address, await ownPair("second-server"))).resolves.toBeUndefined();
  });

  it("shows the server's own certificate where clients must show one", async () => {
    const { address, health } = await start(loopback, {
      certFile: certificate("first-server.crt"),
      keyFile: certificate("first-server.key"),
      clientCaFile: certificate("first-ca.crt"),
    });
    health.setReady(true);
    await expect(probe(address, await ownPair("first-server"))).resolves.toBeUndefined();
    await expect(probe(address, await ownPair("second-server"))).rejects.toThrow("UNAVAILABLE");
  });

  it("fails at once where nothing listens", async () => {
    await expect(probe({ ...loopback, port: 1 })).rejects.toThrow("UNAVAILABLE");
  });

  it("fails at the timeout where nothing answers", async () => {
    const silent = createServer((socket) => onTestFinished(() => void socket.destroy()));
    onTestFinished(() => void silent.close());
    await once(silent.listen(0, "127.0.0.1"), "listening");
    const { port } = silent.address() as AddressInfo;
    const scheduler = new FakeClock();
    const address: ListenAddress = { ...loopback, port };
    const probed = probeHealth({ address, tls: null, timeoutMs, scheduler });
    const failed = expect(probed).rejects.toThrow("no answer within 2000 ms");
    await scheduler.advance(timeoutMs);
    await failed;
  });
});
