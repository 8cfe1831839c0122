import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { loadConfig, type Config } from "../../src/config/config.ts";
import {
  openConfigReload,
  type ConfigReload,
  type ConfigReloadOptions,
} from "../../src/config/reload.ts";
import { StaticDiscovery } from "../../src/endpoints/discovery/static-discovery.ts";
import { kvText } from "../support/kv-config.ts";
import { until } from "../support/until.ts";

let folder: string;
let path: string;
let discovery: StaticDiscovery;
let reload: ConfigReload;
let published: string[][];
let events: string[];

const pool = (...endpoints: string[]) =>
  `pools: [{ name: default, endpoints: [${endpoints.join(", ")}] }]`;

const optionsOf = (config: Config): ConfigReloadOptions => ({
  configPath: path,
  config,
  discoveries: new Map([["default", discovery]]),
  scheduler: systemClock,
  observer: {
    reloaded: (needsRestart) => events.push(`reloaded ${needsRestart.join(",")}`),
    refused: (error) => events.push(`refused ${error.code}: ${error.message}`),
  },
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-reload-"));
  path = join(folder, "moorline.yaml");
  published = [];
  events = [];
  await writeFile(path, pool('"10.0.0.1:80"'));
  const config = await loadConfig(path);
  discovery = new StaticDiscovery([]);
  await discovery.start((list) => published.push(list.map(({ id, weight }) => `${id} ${weight}`)));
  reload = await openConfigReload(optionsOf(config));
  published.length = 0;
});

afterEach(async () => {
  await reload.close();
  await rm(folder, { recursive: true });
});

describe("a changed configuration file", () => {
  it("brings the pool's new endpoints and weights by itself", async () => {
    const draft = `${path}.new`;
    await writeFile(draft, pool('"10.0.0.1:80"', '{ address: "10.0.0.2:80", weight: 3 }'));
    await rename(draft, path);
    await until(() => events.length > 0);
    expect(events).toEqual(["reloaded "]);
    expect(published).toEqual([["10.0.0.1:80 1", "10.0.0.2:80 3"]]);
  });

  it("that cannot be used changes nothing and is told with its problems, once", async () => {
    await writeFile(path, pool('"not-an-address"'));
    await until(() => events.length > 0);
    expect(events).toHaveLength(1);
    expect(events[0]).toContain("refused config_invalid");
    expect(events[0]).toContain("pools[0].endpoints[0]");
    expect(published).toEqual([]);
  });

  it("names the keys that need a restart, each as it is written", async () => {
    const changed = `
extproc: { listen: ["127.0.0.1:9002", "127.0.0.1:9012"], tls: { certFile: c, keyFile: k } }
affinity: { ttlMs: 1000, fallbacks: 1 }
health: { path: /healthz }
admin: { listen: "127.0.0.1:9013" }
log: { level: info }`;
    await writeFile(path, pool('"10.0.0.1:80"') + changed);
    await reload.now();
    expect(events).toEqual([
      "reloaded extproc.listen,extproc.tls,affinity.ttlMs,affinity.fallbacks,health.path,admin.listen",
    ]);
  });

  it("names the pools where one was added", async () => {
    await writeFile(
      path,
      pool('"10.0.0.1:80"').replace("]", "] }, { name: b, models: [m], endpoints: []"),
    );
    await reload.now();
    expect(events).toEqual(["reloaded pools"]);
  });
});

describe("a changed KV service", () => {
  it("needs a restart, and is named as a whole where there was none", async () => {
    await writeFile(path, kvText({}).replace("endpoints: []", 'endpoints: ["10.0.0.1:80"]'));
    await reload.now();
    expect(events).toEqual(["reloaded pools,kv"]);
    expect(published).toEqual([["10.0.0.1:80 1"]]);
  });

  it("names the pools where one reads turns in another way", async () => {
    await reload.close();
    await writeFile(path, kvText({ turns: "dialect: sglang-session" }));
    reload = await openConfigReload(optionsOf(await loadConfig(path)));
    await writeFile(path, kvText({ turns: "dialect: sglang-session, exposeKv: true" }));
    await reload.now();
    expect(events).toEqual(["reloaded pools"]);
  });

  it("is named by its single keys where there was one", async () => {
    await reload.close();
    const text = kvText({});
    await writeFile(path, text);
    reload = await openConfigReload(optionsOf(await loadConfig(path)));
    await writeFile(
      path,
      kvText({ profile: "pageSize: 16", kv: 'listen: "[::1]:9004"\nturns: { waitMs: 5 }' }),
    );
    await reload.now();
    expect(events).toEqual(["reloaded pools,kv.listen,kv.turns.waitMs"]);
  });
});

describe("a reload by signal", () => {
  it("applies the file also where nothing has changed", async () => {
    await reload.now();
    expect(published).toEqual([["10.0.0.1:80 1"]]);
  });

  it("does nothing after close", async () => {
    await reload.close();
    await reload.now();
    expect([events, published]).toEqual([[], []]);
  });
});
