import { describe, expect, it } from "vitest";
import { parse, POOLS, problemsOf, problemsWith } from "../support/config-problems.ts";

describe("listen addresses", () => {
  it("reads IPv4, bracketed IPv6, localhost and Unix sockets", () => {
    const text =
      'extproc: { listen: ["0.0.0.0:0", "[::1]:65535", "localhost:1", "unix:/run/m.sock"] }';
    expect(parse(`${POOLS}\n${text}`).extproc.listen).toEqual([
      { kind: "tcp", host: "0.0.0.0", port: 0 },
      { kind: "tcp", host: "::1", port: 65_535 },
      { kind: "tcp", host: "localhost", port: 1 },
      { kind: "unix", path: "/run/m.sock" },
    ]);
  });

  it.each([
    "127.0.0.1:65536",
    "127.0.0.1",
    "::1:80",
    "[127.0.0.1]:80",
    "example.com:80",
    "unix:relative.sock",
    "unix:/run/",
    `unix:/${"s".repeat(103)}`,
  ])("refuses %s", (address) => {
    expect(problemsWith(`extproc: { listen: ["${address}"] }`)).toEqual([
      expect.stringMatching(/^extproc\.listen\[0\] ".* must be IP:port/),
    ]);
  });

  it("takes a Unix path of 103 bytes", () => {
    expect(problemsWith(`extproc: { listen: ["unix:/${"s".repeat(102)}"] }`)).toEqual([]);
  });

  it("refuses the same address twice, and an empty list", () => {
    expect(problemsWith('extproc: { listen: ["[::1]:1", "[::1]:1"] }')).toEqual([
      'extproc.listen[1] "[::1]:1" must not be listed twice',
    ]);
    expect(problemsWith("extproc: { listen: [one, two] }")).toHaveLength(2);
    expect(problemsWith("extproc: { listen: [] }")).toEqual([
      "extproc.listen (0 items) must have >= 1 items",
    ]);
  });
});

describe("names", () => {
  it.each([
    ":authority",
    "X-Session-Id",
    "te",
    "content-length",
    "host",
    "a b",
    "",
    "a".repeat(129),
  ])("refuses the header name %j", (name) => {
    expect(problemsWith(`session: { headers: ["${name}"] }`)).toHaveLength(1);
  });

  it("takes a header name of 128 characters", () => {
    expect(problemsWith(`session: { headers: ["${"a".repeat(128)}"] }`)).toEqual([]);
  });

  it("takes a body field 4 deep, not 5", () => {
    expect(problemsWith("session: { bodyFields: [a.b.c.d] }")).toEqual([]);
    expect(problemsWith("session: { bodyFields: [a.b.c.d.e] }")).toHaveLength(1);
  });

  it("takes 32 headers, not 33", () => {
    const headers = (count: number) => Array.from({ length: count }, (_, index) => `h${index}`);
    expect(problemsWith(`session: { headers: [${headers(32).join()}] }`)).toEqual([]);
    expect(problemsWith(`session: { headers: [${headers(33).join()}] }`)).toEqual([
      "session.headers (33 items) must have <= 32 items",
    ]);
  });

  it.each([
    ["x-id", "must differ from session.headers[0]"],
    ["x-tenant", "must differ from session.tenantHeader"],
    ["x-model", "must differ from model.header"],
    ["x-session-id", "must not be x-session-id or x-moorline-*"],
    ["x-moorline-pool", "must not be x-session-id or x-moorline-*"],
  ])("refuses the destination header %s", (header, problem) => {
    const text = `
session: { headers: [x-id], tenantHeader: x-tenant }
model: { header: x-model }
destination: { header: ${header} }`;
    expect(problemsWith(text)).toEqual([`destination.header "${header}" ${problem}`]);
  });
});

describe("pools", () => {
  it("refuses none, and more than 64", () => {
    const pools = (count: number) =>
      Array.from({ length: count }, (_, i) => `{ name: p${i}, models: [m${i}], endpoints: [] }`);
    expect(problemsOf("pools: []")).toEqual(["pools (0 items) must have >= 1 items"]);
    expect(problemsOf(`pools: [${pools(64).join()}]`)).toEqual([]);
    expect(problemsOf(`pools: [${pools(65).join()}]`)).toEqual([
      "pools (65 items) must have <= 64 items",
    ]);
  });

  it("refuses a second default pool", () => {
    expect(problemsOf("pools: [{ name: a, endpoints: [] }, { name: b, endpoints: [] }]")).toEqual([
      "pools[1].models must not be empty; pools[0] is the default pool already",
    ]);
  });

  it("refuses a model in two pools, and twice in one", () => {
    const text = `
pools:
  - { name: a, models: [m, n], endpoints: [] }
  - { name: b, models: [o, o, n], endpoints: [] }`;
    expect(problemsOf(text)).toEqual([
      'pools[1].models[1] "o" must not be listed twice',
      'pools[1].models[2] "n" must be in one pool only; pools[0] has it',
    ]);
  });

  it("wants either endpoints or endpointsFile", () => {
    const text = `
pools:
  - { name: a }
  - { name: b, models: [m], endpoints: [], endpointsFile: x }`;
    expect(problemsOf(text)).toEqual([
      "pools[0] must have either endpoints or endpointsFile",
      "pools[1] must have either endpoints or endpointsFile",
    ]);
  });

  it("wants an EDS file each", () => {
    const pools = "pools: [{ name: a, endpoints: [] }, { name: b, models: [m], endpoints: [] }]";
    expect(problemsOf(`${pools}\nenvoy: { edsFile: "{pool}.yaml" }`)).toEqual([]);
    expect(problemsWith("envoy: { edsFile: eds.yaml }")).toEqual([]);
    expect(problemsOf(`${pools}\nenvoy: { edsFile: eds.yaml }`)).toEqual([
      'envoy.edsFile "eds.yaml" must contain {pool}, because there are several pools',
    ]);
  });

  it("wants 100 expected slots for each endpoint, by weight", () => {
    const withWeight = (weight: number) => `
affinity: { ringSlots: 1024 }
pools:
  - name: default
    endpoints: ["10.0.0.1:1", { address: "10.0.0.2:1", weight: ${weight} }, { address: "10.0.0.3:1", weight: 0 }]`;
    expect(problemsOf(withWeight(9.24))).toEqual([]);
    expect(problemsOf(withWeight(9.25))).toEqual([
      "pools[0].endpoints 10.0.0.1:1 has 99.9 expected slots of affinity.ringSlots 1024, must have >= 100",
    ]);
  });
});

describe("the admin token", () => {
  it.each(["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1"])(
    "is optional on %s",
    (listen) => {
      expect(problemsWith(`admin: { listen: "${listen}" }`)).toEqual([]);
    },
  );

  it.each(["0.0.0.0:1", "[::]:1", "10.0.0.1:1"])("is required on %s", (listen) => {
    expect(problemsWith(`admin: { listen: "${listen}" }`)).toHaveLength(1);
    expect(problemsWith(`admin: { listen: "${listen}", tokenFile: t }`)).toEqual([]);
  });
});
