/** What a client gets through Envoy when Moorline itself fails, and when Envoy only lets it look on. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startEnvoy } from "../../demo/stack/envoy.ts";
import { fillBootstrap } from "../../envoy/bootstrap.ts";
import type { BootstrapName } from "../../envoy/bootstrap.ts";
import { Exchange } from "../../src/extproc/exchange.ts";
import { json, send } from "../support/client.ts";
import { startEngine } from "../support/engine.ts";
import type { TestEngine } from "../support/engine.ts";
import { createHarness, poolOf } from "../support/exchange-harness.ts";
import { createTransport, loopback } from "../support/grpc-server.ts";
import { metric } from "../support/moorline-view.ts";
import { startStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const path = "/v1/chat/completions";
const body = { messages: [{ role: "user", content: "hello" }], max_tokens: 1 };

describe("a fault of Moorline's own", () => {
  let folder: string;
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await startEngine({ name: "a" });
    folder = await mkdtemp(join(tmpdir(), "moorline-"));
    const address = { socket_address: { address: "127.0.0.1", port_value: engine.port } };
    const assignment = {
      "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
      cluster_name: "default",
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    };
    await writeFile(join(folder, "default.json"), JSON.stringify({ resources: [assignment] }));
    return async () => {
      await engine.close();
      await rm(folder, { recursive: true });
    };
  });

  /** A request through an Envoy whose Moorline fails at every decision. */
  async function askFailing(name: BootstrapName, onError: "open" | "refuse") {
    const { ports, events } = createHarness({
      pools: [poolOf("default", { [engine.address]: "ready" })],
      wrapRoute: () => () => Promise.reject(new Error("the secret cause")),
      ports: { onError },
    });
    const { transport } = createTransport((sink) => new Exchange(ports, sink));
    const address = await transport.listen(loopback);
    const extproc = address.kind === "tcp" ? address.port : "";
    const edsFile = join(folder, "{pool}.json");
    const places = { listenPort: 0, adminPort: 0, extproc, edsFile };
    const envoy = await startEnvoy({ bootstrap: await fillBootstrap(name, places) });
    onTestFinished(async () => envoy.close());
    const forged = "6.6.6.6:6"; // must not be what an unanswered request goes by
    const headers = { "x-session-id": "s", "x-gateway-destination-endpoint": forged };
    const response = await send(envoy.url(), { path, headers, body });
    expect(events).toContain("failed internal: the secret cause");
    expect(response.text).not.toContain("secret");
    return response;
  }

  it("lets the request go on to Envoy's own choice where onError says open", async () => {
    const response = await askFailing("override-host", "open");
    expect([response.status, response.headers["x-engine"]]).toEqual([200, "a"]);
  });

  it("is Envoy's 503 with ORIGINAL_DST, which has no choice of its own", async () => {
    expect((await askFailing("original-dst", "open")).status).toBe(503);
  });

  it("is a 503 with JSON, reason and id where onError says refuse", async () => {
    const response = await askFailing("override-host", "refuse");
    expect(response.status).toBe(503);
    expect(response.headers).toMatchObject({
      "content-type": "application/json",
      "x-moorline-reason": "internal_error",
      "x-session-id": "s",
    });
    expect(json(response)).toMatchObject({ error: { code: "internal_error" } });
  });
});

describe("an Envoy in observability mode", () => {
  it("is served nothing: its requests go on without an id, and no session is bound", async () => {
    const stack = await startStack({
      bootstrap: "override-host",
      engines: [{ name: "a" }, { name: "b" }],
      adapt: ({ static_resources: { listeners } }) => {
        const filter = listeners[0]?.filter_chains[0]?.filters[0]?.typed_config.http_filters[0];
        Object.assign((filter as unknown as { typed_config: object }).typed_config, {
          observability_mode: true,
        });
      },
    });
    onTestFinished(async () => stack.close());
    const headers = { "x-session-id": "s" };
    const answers = [];
    for (let turn = 0; turn < 6; turn++)
      answers.push(await send(stack.url, { path, headers, body }));
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(answers.map((answer) => answer.headers["x-session-id"])).toEqual(
      Array(6).fill(undefined),
    );
    expect(new Set(answers.map((answer) => answer.headers["x-engine"]))).toEqual(
      new Set(["a", "b"]),
    );
    // Envoy waits for none of them.
    await until(async () => (await metric(stack.moorline, "moorline_exchanges_total")) === 6);
    expect(await metric(stack.moorline, "moorline_exchange_failures_total")).toBe(0);
    expect(await metric(stack.moorline, 'moorline_sessions{pool="default"}')).toBe(0);
  });
});
