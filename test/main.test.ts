import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { SERVABLE } from "./support/servable-config.ts";

const MAIN = new URL("../src/main.ts", import.meta.url).pathname;

const HEALTHCHECK = new URL("../src/healthcheck.ts", import.meta.url).pathname;

interface Ending {
  readonly status: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function moorline(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return new Promise<Ending>((resolve) => {
    const { MOORLINE_CONFIG: _, ...inherited } = process.env;
    execFile(
      process.execPath,
      [MAIN, ...args],
      { env: { ...inherited, ...env } },
      (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

describe("the process", () => {
  let folder: string;
  let good: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "moorline-main-"));
    good = join(folder, "good.yaml");
    await writeFile(good, 'pools: [{ name: default, endpoints: ["10.0.0.1:8000"] }]');
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("prints the version of the package", async () => {
    expect(await moorline(["version"])).toEqual({
      status: 0,
      stdout: `${manifest.version}\n`,
      stderr: "",
    });
  });

  it("checks the configuration that MOORLINE_CONFIG names", async () => {
    expect(await moorline(["check-config"], { MOORLINE_CONFIG: good })).toEqual({
      status: 0,
      stdout: "ok: pools 1, endpoints 1, smallest expected slots 65536.0 of 10.0.0.1:8000\n",
      stderr: "",
    });
  });

  it("checks a configuration that works, and warns of what is likely a mistake", async () => {
    const open = join(folder, "open.yaml");
    const pools = 'pools: [{ name: default, endpoints: ["10.0.0.1:8000"] }]';
    await writeFile(open, `extproc: { listen: ["0.0.0.0:9002"] }\n${pools}`);
    const { status, stdout, stderr } = await moorline(["check-config", "-c", open]);
    expect([status, stdout.slice(0, 4)]).toEqual([0, "ok: "]);
    expect(stderr).toMatch(/^warning: extproc\.listen\[0\] 0\.0\.0\.0:9002 is no loopback, .*\n$/);
  });

  it.each(["check-config", "serve"])(
    "%s ends with 2 and every problem of a bad file and of what it names",
    async (name) => {
      const bad = join(folder, "bad.yaml");
      await writeFile(bad, "affinity: { loadFactor: 0.5 }\nenvoy: { edsFile: none/eds.json }");
      expect(await moorline([name, "--config", bad])).toEqual({
        status: 2,
        stdout: "",
        stderr: `${bad}: 3 problems
  affinity.loadFactor 0.5 must be >= 1
  pools is required
  envoy.edsFile cannot be written to ${folder}/none: no such folder
`,
      });
    },
  );

  it("ends with 2 and the usage on a wrong command line", async () => {
    const { status, stderr } = await moorline(["sevre"]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^sevre is no command\n\nUsage: moorline COMMAND/);
  });

  it("prints the usage when asked", async () => {
    const { status, stdout } = await moorline(["--help"]);
    expect([status, stdout.split("\n")[0]]).toEqual([0, "Usage: moorline COMMAND [OPTIONS]"]);
  });
});

const SERVABLE_BY_HALVES = `
${SERVABLE}
  - name: stored
    models: [small]
    endpoints: []
    kv:
      profile: { kind: mha, id: a, revision: main, layers: 1, kvHeads: 1, headDim: 8, dtype: bf16 }
kv:
  listen: "127.0.0.1:0"
  catalog: { path: catalog }
  locations: [{ id: disk, root: disk, capacityBytes: 1073741824 }]`;

describe("serve", () => {
  let folder: string;
  let config: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "moorline-serve-"));
    config = join(folder, "config.yaml");
    await mkdir(join(folder, "disk"));
    await writeFile(config, SERVABLE_BY_HALVES);
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** Runs until it ends by itself, and sends each signal when a log line with its message appears. */
  async function runWith(signals: Readonly<Record<string, NodeJS.Signals>>, roles = "routing") {
    const args = [MAIN, "serve", "--config", config, "--roles", roles];
    const child = spawn(process.execPath, args);
    const ended = once(child, "exit");
    const messages: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      const { msg } = JSON.parse(line) as { readonly msg: string };
      messages.push(msg);
      const signal = signals[msg];
      if (signal !== undefined) child.kill(signal);
    }
    const [status] = (await ended) as [number | null];
    return { status, messages };
  }

  it.each(["SIGTERM", "SIGINT"] as const)("drains on %s and ends with 0", async (signal) => {
    const { status, messages } = await runWith({ ready: signal });
    expect(status).toBe(0);
    expect(messages.slice(-2)).toEqual(["draining", "closed"]);
  });

  it.each(["routing", "kv"])("as %s reads its configuration again on SIGHUP", async (roles) => {
    const { status, messages } = await runWith(
      { ready: "SIGHUP", "configuration reloaded": "SIGTERM" },
      roles,
    );
    expect([status, messages.filter((message) => message === "configuration reloaded")]).toEqual([
      0,
      ["configuration reloaded"],
    ]);
  });
});

it("the health check of the image tells whether a process of the KV half alone is ready", async () => {
  const folder = await mkdtemp(join(tmpdir(), "moorline-health-"));
  const config = join(folder, "config.yaml");
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  other.close();
  await mkdir(join(folder, "disk"));
  const text = SERVABLE_BY_HALVES.replace(
    'admin: { listen: "127.0.0.1:0" }',
    `admin: { listen: "127.0.0.1:${port}" }`,
  );
  await writeFile(
    config,
    text.replace('extproc: { listen: ["127.0.0.1:0"] }', 'extproc: { listen: ["127.0.0.1:1"] }'),
  );
  const isHealthy = () =>
    new Promise<boolean>((resolve) => {
      execFile(process.execPath, [HEALTHCHECK, config], (error) => resolve(error === null));
    });
  const child = spawn(process.execPath, [MAIN, "serve", "--config", config, "--roles", "kv"]);
  try {
    await once(child.stdout, "data");
    expect(await isHealthy()).toBe(true);
    child.kill("SIGTERM");
    await once(child, "exit");
    expect(await isHealthy()).toBe(false);
  } finally {
    child.kill("SIGKILL");
    await rm(folder, { recursive: true });
  }
}, 30_000);

it("serve warns of an ext_proc listener that others reach, and says of an address that it is not here", async () => {
  const folder = await mkdtemp(join(tmpdir(), "moorline-open-"));
  try {
    const config = join(folder, "config.yaml");
    await writeFile(
      config,
      `
extproc: { listen: ["192.0.2.1:9002"] } # of a network for documentation
admin: { listen: "127.0.0.1:0" }
log: { level: warn }
pools: [{ name: default, endpoints: [] }]`,
    );
    const { status, stdout, stderr } = await moorline(["serve", "--config", config]);
    const { level, msg } = JSON.parse(stdout) as { readonly level: string; readonly msg: string };
    expect([level, msg]).toEqual([
      "warn",
      expect.stringContaining("192.0.2.1:9002 is no loopback"),
    ]);
    expect([status, stderr]).toEqual([
      1,
      "extproc.listen[0] 192.0.2.1:9002 is no address of this machine\n",
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("serve ends with 1 and the key of an address that is taken", async () => {
  const folder = await mkdtemp(join(tmpdir(), "moorline-taken-"));
  const other = createServer().listen(0, "127.0.0.1");
  try {
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const config = join(folder, "config.yaml");
    await writeFile(
      config,
      `
extproc: { listen: ["127.0.0.1:0", "127.0.0.1:${port}"] }
admin: { listen: "127.0.0.1:0" }
log: { level: silent }
pools: [{ name: default, endpoints: [] }]`,
    );
    expect(await moorline(["serve", "--config", config])).toEqual({
      status: 1,
      stdout: "",
      stderr: `extproc.listen[1] 127.0.0.1:${port} is taken: another process listens there\n`,
    });
  } finally {
    other.close();
    await rm(folder, { recursive: true });
  }
});
