import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock, systemRandom, type Scheduler } from "../../../src/clock.ts";
import { openHttpConnection } from "../../../src/kv/engines/engine-connection.ts";
import { createHttpCloseSession } from "../../../src/kv/engines/http-close-session.ts";
import { WatchedEngines } from "../../../src/kv/engines/watched-engines.ts";
import type { TokenizerProbe } from "../../../src/kv/tokens/tokenizer-probes.ts";
import { endpointAt } from "../../support/engine-endpoints.ts";
import { PROFILE, SERVER_INFO } from "../../support/engine-info.ts";
import { until } from "../../support/until.ts";

/** The pace of the watch, so that its seconds are no seconds here. */
const FASTER = 20;
const scheduler: Scheduler = {
  after: (delayMs, task) => systemClock.after(delayMs / FASTER, task),
};

const open: (() => Promise<unknown>)[] = [];
afterEach(() => Promise.all(open.splice(0).map((close) => close())));

/** Answers as an engine that has the profile; `listener` may answer first. */
async function serve(port = 0, listener: RequestListener = () => {}): Promise<Server> {
  const server = createServer((request, response) => {
    listener(request, response);
    if (response.writableEnded || response.hasHeader("x-later")) return;
    const said = request.url === "/get_server_info" ? JSON.stringify(SERVER_INFO) : "";
    response.end(said);
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  open.push(() => stop(server));
  return server;
}

function stop(server: Server): Promise<unknown> {
  const closed = server.listening ? once(server, "close") : Promise.resolve();
  server.close().closeAllConnections();
  return closed;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** The one engine at a port, and what was told of it. */
function watch(port: number, probes: readonly TokenizerProbe[] = []) {
  const told: string[] = [];
  const engines = new WatchedEngines({
    pools: new Map([["p", { profile: PROFILE, dialect: "sglang-explicit" }]]),
    probes: new Map([["p", probes]]),
    open: openHttpConnection,
    closeSession: createHttpCloseSession(),
    scheduler,
    random: systemRandom,
    newInstance: () => crypto.randomUUID(),
    observer: {
      stateChanged: ({ to, why }) => told.push(why === undefined ? to : `${to}: ${why}`),
      unanswered: ({ why }) => told.push(`unanswered: ${why}`),
      tokenizerTested: ({ result }) => told.push(`tokenizer ${result}`),
      sessionClosed: () => {},
    },
  });
  open.push(() => engines.close());
  const endpoint = endpointAt("127.0.0.1", port);
  engines.published({ name: "p", endpoints: [endpoint] });
  const state = () => engines.engine("p", endpoint);
  const instance = async () => {
    await until(() => state().kind === "ready");
    const now = state();
    return now.kind === "ready" ? now.instance : undefined;
  };
  return { told, engines, endpoint, state, instance };
}

describe("an engine process", () => {
  it("that is killed is unknown, and its successor at the same address is another instance", async () => {
    const code = `
      const server = require("node:http").createServer((request, response) => response.end(${JSON.stringify(JSON.stringify(SERVER_INFO))}));
      server.listen(Number(process.argv[1]), "127.0.0.1", () => console.log(server.address().port));`;
    const start = async (port: number) => {
      const engine = spawn(process.execPath, ["-e", code, String(port)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      open.push(async () => engine.kill("SIGKILL"));
      const [line] = (await once(engine.stdout, "data")) as [Buffer];
      return { engine, port: Number(line.toString()) };
    };
    const { engine, port } = await start(0);
    const { told, instance, state } = watch(port);
    const first = await instance();
    engine.kill("SIGKILL");
    await until(() => state().kind === "off");
    await start(port);
    const second = await instance();
    expect(second).not.toBe(first);
    expect(told[0]).toBe("ready");
    expect(told[1]).toMatch(/^engine_unknown: (closed by the engine|ECONNRESET)$/);
    expect(told.slice(2)).toEqual(["ready"]);
  });

  it("is the same instance however slowly it answers, as long as it does", async () => {
    let healths = 0;
    const server = await serve(0, (request, response) => {
      if (request.url !== "/health") return;
      response.setHeader("x-later", "1");
      systemClock.after(300, () => response.end(() => healths++)); // 6 s at this pace
    });
    const { told, instance } = watch(portOf(server));
    const first = await instance();
    await until(() => healths >= 2);
    expect(await instance()).toBe(first);
    expect(told).toEqual(["ready"]);
  });

  it("that does not answer at all stays unknown", async () => {
    const server = await serve(0, (_, response) => response.setHeader("x-later", "1"));
    const { told, state } = watch(portOf(server));
    await until(() => told.length > 0);
    expect(told).toEqual(["unanswered: no answer in 30000 ms"]);
    expect(state()).toEqual({ kind: "off", reason: "engine_unknown" });
  });

  it("whose server drops idle connections is asked less and less often", async () => {
    let connections = 0;
    const server = await serve();
    server.keepAliveTimeout = 1;
    server.keepAliveTimeoutBuffer = 1;
    server.on("connection", () => connections++);
    watch(portOf(server));
    await until(() => connections >= 4);
    const startedMs = systemClock.now();
    await until(() => connections >= 6);
    // The last two of them were 4 and 8 s after those before, by the pace of the watch, less up to half.
    expect((systemClock.now() - startedMs) * FASTER).toBeGreaterThan(2_000);
  });

  it("with other settings is a mismatch, and one with the right ones in its place is not", async () => {
    const wrong = await serve(0, (_, response) => {
      response.end(JSON.stringify({ ...SERVER_INFO, page_size: 1, kv_cache_dtype: "fp8_e4m3" }));
    });
    const port = portOf(wrong);
    const { told, instance } = watch(port);
    await until(() => told.length === 1);
    expect(told).toEqual([
      'engine_mismatch: page_size 1, not 16; kv_cache_dtype "fp8_e4m3", not bf16',
    ]);
    await stop(wrong);
    await serve(port);
    expect(await instance()).toBeDefined();
  });

  it("that miscounted is off until another process is there", async () => {
    const server = await serve();
    const { told, engines, endpoint, instance } = watch(portOf(server));
    const first = await instance();
    engines.miscounted("p", endpoint);
    const port = portOf(server);
    await stop(server);
    await serve(port);
    expect(await instance()).not.toBe(first);
    expect(told[1]).toBe("engine_miscounted");
  });
});
