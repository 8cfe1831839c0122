import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { openAdmin } from "../../src/admin/server.ts";
import type { AdminServer } from "../../src/admin/server.ts";
import { createLogger } from "../../src/log.ts";
import { FakePorts } from "./fake-ports.ts";

const ANY_PORT = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;
const TOKEN = "correct-horse-battery";

let server: AdminServer | undefined;
let logged: string[];

afterEach(() => server?.close());

interface Setting {
  readonly ports?: FakePorts;
  readonly token?: string;
  readonly hasMetricsListener?: boolean;
}

async function open({ ports, token, hasMetricsListener }: Setting = {}): Promise<AdminServer> {
  logged = [];
  const sink = { write: (line: string) => void logged.push(line) };
  server = await openAdmin(ports ?? new FakePorts("default"), {
    listen: ANY_PORT,
    metricsListen: hasMetricsListener === true ? ANY_PORT : null,
    token: token ?? null,
    log: createLogger({ level: "info", sessionIds: "hash" }, sink),
  });
  return server;
}

async function ask(path: string, init?: RequestInit) {
  const response = await fetch(`http://${server?.address}${path}`, init);
  const body = await response.text();
  const isJson = /^application\/(problem\+)?json/.test(response.headers.get("content-type") ?? "");
  return { status: response.status, body: isJson ? (JSON.parse(body) as unknown) : body, response };
}

function refusal(status: number, code: string, message: unknown = expect.any(String)) {
  return { status, body: { type: `urn:moorline:problem:${code}`, code, status, detail: message } };
}

function portOf(address: string | undefined): number {
  return Number(address?.split(":")[1]);
}

/** Sends bytes as they are, and gives back all that is answered until the connection closes. */
function sendRaw(bytes: string): Promise<string> {
  const socket = connect(portOf(server?.address), "127.0.0.1");
  socket.end(bytes);
  return text(socket);
}

describe("probes", () => {
  it("/livez is 200 whatever the readiness", async () => {
    const ports = new FakePorts("default");
    ports.reasons = ["draining"];
    await open({ ports });
    expect(await ask("/livez")).toMatchObject({ status: 200, body: { isLive: true } });
  });

  it("/readyz is 503 with its reasons, then 200, then 503 again while draining", async () => {
    const ports = new FakePorts("default");
    await open({ ports });
    ports.reasons = ["endpoints are not checked yet"];
    expect(await ask("/readyz")).toMatchObject({
      status: 503,
      body: { isReady: false, reasons: ["endpoints are not checked yet"] },
    });
    ports.reasons = [];
    expect(await ask("/readyz")).toMatchObject({ status: 200, body: { isReady: true } });
    ports.reasons = ["draining"];
    expect(await ask("/readyz")).toMatchObject({ status: 503, body: { reasons: ["draining"] } });
  });
});

describe("/v1/pools", () => {
  it("shows endpoints with address, state and its cause, last check, sessions and ring share", async () => {
    await open();
    const { status, body } = await ask("/v1/pools");
    const shared = { weight: 1, labels: { zone: "z" } };
    expect(status).toBe(200);
    expect(body).toEqual({
      pools: [
        {
          name: "default",
          generation: 7,
          ringSlots: 4,
          sessions: 5,
          endpoints: [
            {
              id: "a",
              address: "10.0.0.1:8000",
              state: "ready",
              cause: null,
              lastCheck: null,
              sessions: 4,
              ringShare: 0.75,
              ...shared,
            },
            {
              id: "b",
              address: "[fd00::2]:8000",
              state: "down",
              cause: "check",
              lastCheck: { result: "404 from GET /healthz", agoMs: 250 },
              sessions: 1,
              ringShare: 0.25,
              ...shared,
            },
          ],
        },
      ],
    });
  });
});

describe("/v1/sessions/{id}", () => {
  it("shows the binding, why it is there, and the ranks of its slot", async () => {
    await open();
    expect(await ask("/v1/sessions/abc")).toMatchObject({
      status: 200,
      body: {
        session: "abc",
        tenant: "",
        pool: "default",
        endpoint: "b",
        generation: 3,
        reason: "spilled",
        expiresInMs: 1500,
        next: { kind: "refused", reason: "no_ready_endpoint" },
        slot: 3,
        ranks: [
          { id: "b", address: "[fd00::2]:8000", state: "down" },
          { id: "a", address: "10.0.0.1:8000", state: "ready" },
        ],
      },
    });
  });

  it("is 404 for a session without a binding", async () => {
    await open();
    expect(await ask("/v1/sessions/abcd")).toMatchObject(
      refusal(404, "session_unknown", "the session has no binding in pool default"),
    );
  });

  it("keeps tenants apart", async () => {
    await open();
    expect(await ask("/v1/sessions/abc?tenant=t")).toMatchObject(refusal(404, "session_unknown"));
  });

  it("needs the pool where there are several", async () => {
    await open({ ports: new FakePorts("one", "two") });
    expect(await ask("/v1/sessions/abc")).toMatchObject(
      refusal(400, "request_invalid", "pool must be given once, since there are several"),
    );
    expect(await ask("/v1/sessions/abc?pool=two")).toMatchObject({ body: { pool: "two" } });
    expect(await ask("/v1/sessions/abc?pool=six")).toMatchObject(refusal(404, "pool_unknown"));
  });

  it("takes an id of 256 bytes, and names the limit for 257", async () => {
    await open();
    expect(await ask(`/v1/sessions/${"s".repeat(256)}`)).toMatchObject({ status: 404 });
    expect(await ask(`/v1/sessions/${"s".repeat(257)}`)).toMatchObject(
      refusal(
        400,
        "request_invalid",
        "session id of 257 bytes must be 1 to 256 visible ASCII bytes",
      ),
    );
    expect(await ask(`/v1/sessions/${"%2F".repeat(256)}`)).toMatchObject({ status: 404 });
    expect(await ask(`/v1/sessions/${"%2F".repeat(257)}`)).toMatchObject({ status: 400 });
  });

  it.each([
    ["/v1/sessions/a%20b", "session id of 3 bytes must be 1 to 256 visible ASCII bytes"],
    ["/v1/sessions/%00", "session id of 1 bytes must be 1 to 256 visible ASCII bytes"],
    ["/v1/sessions/%C3%A9", "session id of 1 bytes must be 1 to 256 visible ASCII bytes"],
    ["/v1/sessions/%20", "session id is empty"],
    ["/v1/sessions/", "session id is empty"],
    ["/v1/sessions/abc?tenant=a%20b", "tenant of 3 bytes must be 1 to 128 visible ASCII bytes"],
    ["/v1/sessions/abc?tenant=a&tenant=b", "tenant must be given once"],
    ["/v1/sessions/abc?tenent=a", "a query parameter must be pool or tenant"],
    ["/v1/sessions/%zz", "the request cannot be read (FST_ERR_BAD_URL)"],
  ])("refuses %s", async (path, message) => {
    await open();
    expect(await ask(path)).toMatchObject(refusal(400, "request_invalid", message));
  });

  it("ends a session with DELETE: 204, and 404 where there was none", async () => {
    const ports = new FakePorts("default");
    await open({ ports });
    expect(await ask("/v1/sessions/abc", { method: "DELETE" })).toMatchObject({
      status: 204,
      body: "",
    });
    expect(await ask("/v1/sessions/x?tenant=t", { method: "DELETE" })).toMatchObject(
      refusal(404, "session_unknown"),
    );
    expect(ports.released).toEqual(["default//abc", "default/t/x"]);
  });
});

describe("errors", () => {
  it("are JSON on unknown routes and methods", async () => {
    await open();
    expect(await ask("/v2")).toMatchObject(refusal(404, "not_found", "no such route"));
    expect(await ask("/v1/pools", { method: "POST" })).toMatchObject(refusal(404, "not_found"));
  });

  it("keep the text of an unexpected one in the log", async () => {
    const ports = new FakePorts("default");
    ports.failure = new Error("secret detail");
    await open({ ports });
    expect(await ask("/v1/sessions/abc")).toMatchObject(refusal(500, "internal", "internal error"));
    expect(logged).toEqual([expect.stringContaining("secret detail")]);
  });

  it("refuse a body above 1 KiB", async () => {
    await open();
    const init = (bytes: number) => ({
      method: "DELETE",
      headers: { "content-type": "text/plain" },
      body: "b".repeat(bytes),
    });
    expect(await ask("/v1/sessions/abc", init(1024))).toMatchObject({ status: 204 });
    expect(await ask("/v1/sessions/abc", init(1025))).toMatchObject(
      refusal(413, "body_too_large", "the body is larger than this route takes"),
    );
  });

  it("are JSON for what is no HTTP", async () => {
    await open();
    const answer = await sendRaw("nonsense\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toMatch(/\r\n\r\n\{"type":"urn:moorline:problem:request_invalid",/);
  });
});

describe("the bearer token", () => {
  const withToken = (token: string) => ({ headers: { authorization: token } });

  it.each(["/v1/pools", "/v1/sessions/abc", "/metrics", "/unknown"])("guards %s", async (path) => {
    await open({ token: TOKEN });
    const { response, ...answer } = await ask(path);
    expect(answer).toMatchObject(refusal(401, "unauthorized"));
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
  });

  it("guards DELETE, and nothing is released without it", async () => {
    const ports = new FakePorts("default");
    await open({ token: TOKEN, ports });
    expect(await ask("/v1/sessions/abc", { method: "DELETE" })).toMatchObject({ status: 401 });
    expect(ports.released).toEqual([]);
  });

  it.each(["/livez", "/readyz"])("leaves %s open", async (path) => {
    await open({ token: TOKEN });
    expect(await ask(path)).toMatchObject({ status: 200 });
  });

  it("lets the right one in", async () => {
    await open({ token: TOKEN });
    expect(await ask("/v1/pools", withToken(`Bearer ${TOKEN}`))).toMatchObject({ status: 200 });
    expect(await ask("/v1/pools", withToken(`bearer ${TOKEN}`))).toMatchObject({ status: 200 });
  });

  it.each([`Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`, TOKEN, "Bearer "])(
    "refuses %j",
    async (token) => {
      await open({ token: TOKEN });
      expect(await ask("/v1/pools", withToken(token))).toMatchObject({ status: 401 });
    },
  );
});

describe("listeners", () => {
  it("the metrics listener serves /metrics without a token, and nothing else", async () => {
    const { metricsAddress } = await open({ token: TOKEN, hasMetricsListener: true });
    const metrics = await fetch(`http://${metricsAddress}/metrics`);
    expect([metrics.status, await metrics.text()]).toEqual([200, "up 1\n"]);
    expect(metrics.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    expect((await fetch(`http://${metricsAddress}/v1/pools`)).status).toBe(404);
  });

  it("a port that is taken is a listen_failed that names the key and the address, and leaves nothing open", async () => {
    const freed = await open();
    await freed.close();
    const { address: taken } = await open();
    const second = openAdmin(new FakePorts("default"), {
      listen: { ...ANY_PORT, port: portOf(freed.address) },
      metricsListen: { ...ANY_PORT, port: portOf(taken) },
      token: null,
      log: createLogger({ level: "silent", sessionIds: "hash" }, { write: () => undefined }),
    });
    await expect(second).rejects.toMatchObject({
      code: "listen_failed",
      message: `admin.metricsListen ${taken} is taken: another process listens there`,
    });
    await expect(fetch(`http://${freed.address}/livez`)).rejects.toThrow("fetch failed");
  });

  it("closing closes both, and twice is once", async () => {
    const opened = await open({ hasMetricsListener: true });
    await opened.close();
    await opened.close();
    await expect(fetch(`http://${opened.address}/livez`)).rejects.toThrow("fetch failed");
    await expect(fetch(`http://${opened.metricsAddress}/metrics`)).rejects.toThrow("fetch failed");
  });
});
