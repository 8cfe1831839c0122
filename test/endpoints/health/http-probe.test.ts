import { createServer, type RequestListener } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createHttpProbe } from "../../../src/endpoints/health/http-probe.ts";

const servers: Server[] = [];

afterEach(async () => {
  await Promise.all(
    servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))),
  );
});

async function listen(server: Server, host = "127.0.0.1"): Promise<{ host: string; port: number }> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return { host, port: (server.address() as AddressInfo).port };
}

const http = (handle: RequestListener, host?: string) => listen(createServer(handle), host);
const never = new AbortController().signal;

describe("the HTTP probe", () => {
  it.each([
    [200, undefined],
    [204, undefined],
    [299, undefined],
    [300, "300 from GET /health"],
    [302, "302 from GET /health"],
    [404, "404 from GET /health"],
    [503, "503 from GET /health"],
  ])("answers status %i with the failure %s", async (status, failure) => {
    const target = await http((_request, response) => response.writeHead(status).end("body"));
    const probe = createHttpProbe("/health");
    expect(await probe(target, never)).toBe(failure);
  });

  it("asks for the path, by GET, on a connection of its own each time", async () => {
    const seen: string[] = [];
    const ports = new Set<number | undefined>();
    const target = await http((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      ports.add(request.socket.remotePort);
      response.end("ok");
    });
    const probe = createHttpProbe("/v1/health?deep=1");
    await probe(target, never);
    await probe(target, never);
    expect(seen).toEqual(["GET /v1/health?deep=1", "GET /v1/health?deep=1"]);
    expect(ports.size).toBe(2);
  });

  it("reaches an IPv6 endpoint and names it in brackets [W9]", async () => {
    let host: string | undefined;
    const target = await http((request, response) => {
      host = request.headers.host;
      response.end();
    }, "::1");
    expect(await createHttpProbe("/health")(target, never)).toBeUndefined();
    expect(host).toBe(`[::1]:${target.port}`);
  });

  it("names the error where nobody listens, and where the other side hangs up", async () => {
    const probe = createHttpProbe("/health");
    const gone = createServer();
    const nowhere = await listen(gone);
    await new Promise((resolve) => gone.close(resolve));
    expect(await probe(nowhere, never)).toBe("ECONNREFUSED");
    const rude = await listen(createTcpServer((socket) => socket.destroy()));
    expect(await probe(rude, never)).toBe("ECONNRESET");
    const broken = await http((_request, response) => {
      response.writeHead(200, { "content-length": "10" });
      response.write("half", () => response.destroy());
    });
    expect(await probe(broken, never)).toBe("200 from GET /health, cut off");
  });

  it("fails once it is aborted, before or after the headers", async () => {
    const probe = createHttpProbe("/health");
    for (const respond of [false, true]) {
      const abort = new AbortController();
      const target = await http((_request, response) => {
        if (respond) response.write("still going");
        setImmediate(() => abort.abort());
      });
      expect(await probe(target, abort.signal)).toBeTypeOf("string");
    }
  });

  it("cuts a body off that does not end, and goes by the status", async () => {
    let isOpen = true;
    const target = await http((_request, response) => {
      response.on("close", () => (isOpen = false));
      const write = (): void => {
        while (isOpen && response.write("x".repeat(16_384)));
        if (isOpen) response.once("drain", write);
      };
      write();
    });
    expect(await createHttpProbe("/health")(target, never)).toBeUndefined();
    await expect.poll(() => isOpen).toBe(false);
  });
});
