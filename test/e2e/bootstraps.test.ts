import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startEnvoy } from "../../demo/stack/envoy.ts";
import { fillBootstrap } from "../../envoy/bootstrap.ts";
import type { BootstrapName } from "../../envoy/bootstrap.ts";
import { envoyBinary } from "../../envoy/fetch.ts";
import type { OpenExchange } from "../../src/extproc/transport.ts";
import { send } from "../support/client.ts";
import { startEngine } from "../support/engine.ts";
import type { TestEngine } from "../support/engine.ts";
import { createTransport, loopback } from "../support/grpc-server.ts";

/** What Envoy sent to Moorline, as text: header names and values can be found in it. */
const sent: string[] = [];

/** Ends every exchange cleanly and unanswered, which Envoy takes as "go on": what Moorline does after an error of its own. */
const saysNothing: OpenExchange = (sink) => ({
  message: (message) => {
    sent.push(Buffer.from(message).toString("latin1"));
    sink.end();
  },
  end: () => {},
  cancel: () => {},
});

const names = ["override-host", "override-host-pools", "original-dst"] as const;

let folder: string;
let engine: TestEngine;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-test-"));
  engine = await startEngine({ name: "a" });
  await Promise.all(["default", "small", "large"].map(writeEdsFile));
  return async () => {
    await engine.close();
    await rm(folder, { recursive: true });
  };
});

async function writeEdsFile(pool: string): Promise<void> {
  const address = { socket_address: { address: "127.0.0.1", port_value: engine.port } };
  const assignment = {
    "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    cluster_name: pool,
    endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
  };
  await writeFile(join(folder, `${pool}.json`), JSON.stringify({ resources: [assignment] }));
}

async function fill(name: BootstrapName, extproc: number) {
  const edsFile = join(folder, "{pool}.json");
  return fillBootstrap(name, { listenPort: 0, adminPort: 0, extproc, edsFile });
}

describe.each(names)("%s.yaml", (name) => {
  it("is taken by this Envoy without a warning", async () => {
    const path = join(folder, `${name}.json`);
    await writeFile(path, JSON.stringify(await fill(name, 9002)));
    const args = ["--mode", "validate", "-c", path, "--log-level", "warning"];
    const { stdout, stderr } = await promisify(execFile)(await envoyBinary(), args);
    expect(stdout).toContain("OK");
    expect(stderr).toBe("");
  });

  it("reads a path in one spelling, and raises the limits that the defaults set too low", async () => {
    const text = JSON.stringify(await fill(name, 9002));
    for (const setting of [
      '"normalize_path":true',
      '"merge_slashes":true',
      '"path_with_escaped_slashes_action":"REJECT_REQUEST"',
      '"envoy.reloadable_features.ext_proc_graceful_grpc_close":true',
      '"per_connection_buffer_limit_bytes":33554432',
      '"initial_stream_window_size":33554432',
      '"allow_mode_override":true',
      '"message_timeout":"10s"',
      '"max_message_timeout":"30s"',
      '"max_requests":65536',
    ]) {
      expect(text).toContain(setting);
    }
  });
});

describe("when Moorline says nothing", () => {
  const forged = (address: string) => ({
    "x-gateway-destination-endpoint": address,
    "x-moorline-pool": "large",
    "x-envoy-original-dst-host": address,
  });

  async function askForged(name: BootstrapName) {
    const { transport } = createTransport(saysNothing);
    const address = await transport.listen(loopback);
    const envoy = await startEnvoy({
      bootstrap: await fill(name, address.kind === "tcp" ? address.port : 0),
    });
    onTestFinished(async () => envoy.close());
    return send(envoy.url(), {
      path: "/generate",
      headers: forged(engine.address),
      body: { text: "hello" },
    });
  }

  it("override-host balances by itself, and a client's headers reach neither Moorline nor the engine", async () => {
    sent.length = 0;
    expect((await askForged("override-host")).status).toBe(200);
    expect(sent.join()).toContain("/generate");
    expect(sent.join()).not.toMatch(/x-gateway-destination-endpoint|x-moorline-pool/);
    const seen = engine.requests.at(-1)?.headers;
    expect(seen).not.toHaveProperty("x-gateway-destination-endpoint");
    expect(seen).not.toHaveProperty("x-moorline-pool");
  });

  it("override-host-pools answers 503, whatever pool the client names", async () => {
    const response = await askForged("override-host-pools");
    expect(response.status).toBe(503);
    expect(response.headers["content-type"]).toBe("application/json");
    expect(response.text).toContain("no_pool");
  });

  it("original-dst answers 503, whatever address the client names", async () => {
    expect((await askForged("original-dst")).status).toBe(503);
  });
});
