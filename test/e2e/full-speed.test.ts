/**
 * Envoy's way of ending ext_proc streams must never cost a connection: with its default flags it resets each of them, and Node's
 * guard against reset floods would then close the gRPC connection about every 1,000 exchanges.
 */
import { connect, type ClientHttp2Session } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import { startEnvoy, type Envoy } from "../../demo/stack/envoy.ts";
import { fillBootstrap } from "../../envoy/bootstrap.ts";
import { startStack, type Stack } from "../support/stack.ts";

const REQUESTS = 5_000;
const IN_FLIGHT = 32;

let stack: Stack | undefined;
let envoy: Envoy | undefined;
afterEach(async () => {
  await envoy?.close();
  await stack?.close();
});

describe("5,000 requests at full speed on one connection", () => {
  it.each([
    ["Envoy's default flags, which reset every stream", false],
    ["the graceful close of our bootstraps", true],
  ])("all succeed over one ext_proc connection, with %s", async (_, isGraceful) => {
    stack = await startStack({
      bootstrap: "override-host",
      engines: [{ name: "a" }, { name: "b" }],
    });
    const bootstrap = await fillBootstrap("override-host", {
      listenPort: 0,
      adminPort: 0,
      extproc: stack.moorline.extprocPort,
      edsFile: stack.moorline.edsFile,
    });
    const withFlags = isGraceful ? bootstrap : { ...bootstrap, layered_runtime: undefined };
    envoy = await startEnvoy({ bootstrap: withFlags });

    const session = connect(envoy.url());
    const statuses = new Map<number, number>();
    let next = 0;
    const worker = async () => {
      while (next < REQUESTS) {
        const status = await get(session, `session-${next++ % 500}`);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    session.destroy();

    expect([...statuses]).toEqual([[200, REQUESTS]]);
    const stats = await envoy.stats(/ext_proc/);
    expect(stats["cluster.ext_proc.upstream_cx_total"]).toBe(1);
    expect(stats["http.ingress.ext_proc.streams_started"]).toBe(REQUESTS);
    expect(stats["http.ingress.ext_proc.streams_failed"]).toBe(0);
    const resets = stats["cluster.ext_proc.http2.tx_reset"] ?? 0;
    expect(resets > 1_000).toBe(!isGraceful);
  });
});

function get(session: ClientHttp2Session, sessionId: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":path": "/health", "x-session-id": sessionId });
    let status = 0;
    stream.on("response", (headers) => (status = Number(headers[":status"])));
    stream.on("error", reject);
    stream.on("close", () => resolve(status));
    stream.resume();
  });
}
