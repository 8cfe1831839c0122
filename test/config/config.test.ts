import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { CONFIG_FILE_LIMIT_BYTES } from "../../src/config/document.ts";
import { AppError } from "../../src/errors.ts";
import { parse, POOLS, problemsOf, problemsWith } from "../support/config-problems.ts";

describe("parseConfig", () => {
  it("needs nothing but a pool, and fills in every other key [A1] [B9]", () => {
    const config = parse(POOLS);
    expect(config.extproc.listen).toEqual([{ kind: "tcp", host: "127.0.0.1", port: 9002 }]);
    expect(config.admin).toEqual({
      listen: { kind: "tcp", host: "127.0.0.1", port: 9003 },
      metricsListen: null,
      tokenFile: null,
    });
    expect(config.affinity.ringSlots).toBe(65_536);
    expect(config.pools).toEqual([
      {
        name: "default",
        models: [],
        kv: null,
        source: {
          kind: "static",
          endpoints: [expect.objectContaining({ id: "10.0.0.1:8000", weight: 1 })],
        },
      },
    ]);
  });

  it("takes the operator's own header, table size and TTL [A2]", () => {
    const { session, affinity } = parse(
      `${POOLS}\nsession: { headers: [x-custom-id] }\naffinity: { maxSessions: 500, ttlMs: 300000 }`,
    );
    expect(session.headers).toEqual(["x-custom-id"]);
    expect(affinity).toMatchObject({ maxSessions: 500, ttlMs: 300_000 });
  });

  it("reports all problems of all kinds at once, each with its key, value and limit", () => {
    const text = `
affinity: { loadFactor: 0.5, fallbacks: 8, ttlMs: soon, speed: 9 }
admin: { listen: "0.0.0.0:9003" }
session: { headers: [":path"] }
pools:
  - { name: a, endpoints: ["foo:80"] }
  - { name: a, models: [m], endpointsFile: x.yaml, colour: red }
`;
    expect(problemsOf(text)).toEqual([
      'session.headers[0] ":path" must be a lower-case header name of 1..128 characters, no pseudo, hop-by-hop or framing header',
      'affinity.ttlMs "soon" must be a number',
      "affinity.loadFactor 0.5 must be >= 1",
      "affinity.fallbacks 8 must be <= 7",
      "affinity.speed is not a known key",
      "pools[1].colour is not a known key",
      'pools[1].name "a" must be unique; pools[0] has it',
      "admin.tokenFile must name a file, because admin.listen 0.0.0.0 is no loopback",
      'pools[0].endpoints[0] "foo:80": host must be an IPv4 or IPv6 address',
    ]);
  });

  it("counts the problems in one config_invalid that names the file", () => {
    expect(() => parse("colour: red")).toThrow(
      new AppError(
        "config_invalid",
        "/etc/moorline/config.yaml: 2 problems\n  pools is required\n  colour is not a known key",
      ),
    );
  });

  it("gives an object that is frozen to its leaves", () => {
    const config = parse(POOLS);
    const [pool] = config.pools;
    expect([config, config.affinity, config.session.headers, pool, pool?.source]).toSatisfy(
      (parts: unknown[]) => parts.every((part) => Object.isFrozen(part)),
    );
    expect(() => Object.assign(config.affinity, { loadFactor: 0 })).toThrow(TypeError);
  });

  it("makes file paths absolute, from the folder of the configuration file", () => {
    const config = parse(`
extproc: { tls: { certFile: tls/cert.pem, keyFile: /keys/key.pem, clientCaFile: ../ca.pem } }
envoy: { edsFile: ./eds.yaml }
admin: { tokenFile: token }
pools: [{ name: default, endpointsFile: endpoints.yaml }]
`);
    expect(config.extproc.tls).toEqual({
      certFile: "/etc/moorline/tls/cert.pem",
      keyFile: "/keys/key.pem",
      clientCaFile: "/etc/ca.pem",
    });
    expect(config.envoy.edsFile).toBe("/etc/moorline/eds.yaml");
    expect(config.admin.tokenFile).toBe("/etc/moorline/token");
    expect(config.pools[0]?.source).toEqual({
      kind: "file",
      path: "/etc/moorline/endpoints.yaml",
    });
  });

  it("names the line of the first YAML error, and of every key that comes twice [A3]", () => {
    expect(problemsOf("pools: []\npools: []\nmodel: {")).toEqual([
      "line 2, column 1: Map keys must be unique",
      expect.stringMatching(/^line 3, column 9: /),
    ]);
    const slip =
      "pools:\n  - { name: default, endpoints: [] }\nenvoy: { edsFile: a-{pool}.json }\n";
    expect(problemsOf(slip)).toEqual([expect.stringMatching(/^line 3, column \d+: /)]);
  });

  it("refuses a document that aliases would blow up", () => {
    const levels = Array.from({ length: 9 }, (_, level) => {
      const below =
        level === 0
          ? "x"
          : Array(9)
              .fill(`*l${level - 1}`)
              .join(", ");
      return `l${level}: &l${level} [${below}]`;
    });
    expect(problemsOf(levels.join("\n"))).toEqual([expect.stringContaining("alias")]);
  });

  it.each([
    ["", "configuration null must be a mapping"],
    ["just text", 'configuration "just text" must be a mapping'],
    ["- a", "configuration (1 items) must be a mapping"],
  ])("refuses the document %j", (text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  it("takes a text at the size limit and refuses one byte more", () => {
    const filler = "#".repeat(CONFIG_FILE_LIMIT_BYTES - POOLS.length - 1);
    expect(problemsOf(`${POOLS}\n${filler}`)).toEqual([]);
    expect(problemsOf(`${POOLS}\n${filler}#`)).toEqual([
      "file of 1048577 bytes must have <= 1048576 bytes",
    ]);
  });
});

describe("numbers", () => {
  it.each([
    ["affinity: { loadFactor: 1 }"],
    ["affinity: { loadFactor: 100 }"],
    ["affinity: { fallbacks: 0 }"],
    ["affinity: { fallbacks: 7 }"],
    ["affinity: { ringSlots: 1024 }"],
    ["affinity: { ringSlots: 1048576 }"],
    ["extproc: { bodyLimitBytes: 33554432 }"],
    ["extproc: { bodyLimitBytes: 2097152, bufferedBytesLimit: 2097152 }"],
  ])("takes %s", (text) => {
    expect(problemsWith(text)).toEqual([]);
  });

  it.each([
    ["affinity: { loadFactor: 100.1 }", "affinity.loadFactor 100.1 must be <= 100"],
    ["affinity: { fallbacks: -1 }", "affinity.fallbacks -1 must be >= 0"],
    ["affinity: { fallbacks: 1.5 }", "affinity.fallbacks 1.5 must be an integer"],
    ["affinity: { ttlMs: .nan }", "affinity.ttlMs NaN must be a number"],
    ["affinity: { ringSlots: 512 }", "affinity.ringSlots 512 must be >= 1024"],
    ["affinity: { ringSlots: 2097152 }", "affinity.ringSlots 2097152 must be <= 1048576"],
    ["affinity: { ringSlots: 1025 }", "affinity.ringSlots 1025 must be a power of two"],
    [
      "extproc: { bodyLimitBytes: 33554433 }",
      "extproc.bodyLimitBytes 33554433 must be <= 33554432",
    ],
    [
      "extproc: { bodyLimitBytes: 2097153, bufferedBytesLimit: 2097152 }",
      "extproc.bufferedBytesLimit 2097152 must be >= extproc.bodyLimitBytes 2097153",
    ],
    ["affinity: { mode: fast }", 'affinity.mode "fast" must be one of sticky, ring'],
    ["health: { enabled: yes please }", 'health.enabled "yes please" must be true or false'],
    ["health:", "health null must be a mapping"],
    ["extproc: { tls: { certFile: a } }", "extproc.tls.keyFile is required"],
  ])("refuses %s [B10]", (text, problem) => {
    expect(problemsWith(text)).toEqual([problem]);
  });
});

describe("loadConfig", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "moorline-config-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("reads a file", async () => {
    const path = join(folder, "good.yaml");
    await writeFile(path, POOLS);
    expect((await loadConfig(path)).pools[0]?.name).toBe("default");
  });

  it("names a file that is missing, too large or no UTF-8", async () => {
    const missing = join(folder, "missing.yaml");
    const large = join(folder, "large.yaml");
    const binary = join(folder, "binary.yaml");
    await writeFile(large, "#".repeat(CONFIG_FILE_LIMIT_BYTES + 1));
    await writeFile(binary, Buffer.from([0xff, 0xfe]));
    await expect(loadConfig(missing)).rejects.toEqual(
      new AppError("config_invalid", `${missing} cannot be read: no such file`),
    );
    await expect(loadConfig(large)).rejects.toThrow(
      `${large} cannot be read: file of 1048577 bytes`,
    );
    await expect(loadConfig(binary)).rejects.toThrow(
      `${binary} cannot be read: The encoded data was not valid`,
    );
  });
});
