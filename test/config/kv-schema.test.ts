import { describe, expect, it } from "vitest";
import { parse, POOLS, problemsOf } from "../support/config-problems.ts";
import { kvText, location } from "../support/kv-config.ts";

it("has no KV service unless the section is there", () => {
  expect(parse(POOLS).kv).toBeNull();
});

it("needs a catalog and a location, and fills in every other key", () => {
  expect(problemsOf(`${POOLS}\nkv: {}`)).toEqual([
    "kv.catalog is required",
    "kv.locations is required",
    "kv must have at least one of pools[] with kv.profile",
  ]);
  const { kv } = parse(kvText({}));
  expect(kv).toMatchObject({
    listen: { kind: "tcp", host: "127.0.0.1", port: 9004 },
    tls: null,
    secretFile: null,
    tenants: [],
    defaultTenant: {
      retentionClass: null,
      quota: { bytes: null, sessions: 100_000, pins: 100 },
      trusts: [],
    },
    turns: { turnMs: 900_000, cutAtPrompt: true },
  });
});

it("makes paths absolute, from the folder of the configuration file", () => {
  const { kv } = parse(
    kvText({
      catalog: "data/catalog",
      locations: location("a", "root: ../kv"),
      kv: "secretFile: secret\ntls: { certFile: c, keyFile: /k }",
    }),
  );
  expect([kv?.catalog.path, kv?.secretFile, kv?.locations[0]?.root]).toEqual([
    "/etc/moorline/data/catalog",
    "/etc/moorline/secret",
    "/etc/kv",
  ]);
  expect(kv?.tls).toEqual({ certFile: "/etc/moorline/c", keyFile: "/k", clientCaFile: null });
});

describe("the model profile", () => {
  it("has the weights of its revision, unless it names others", () => {
    const profileWith = (profile: string) => parse(kvText({ profile })).pools[0]?.kv?.profile;
    expect(profileWith("")).toEqual({
      kind: "mha",
      id: "m",
      revision: "r",
      weightVersion: "r",
      layers: 36,
      kvHeads: 8,
      headDim: 128,
      dtype: "bf16",
      tensorParallel: 1,
      rope: {},
      pageSize: 1,
      loadThreshold: 256,
      loraAdapter: null,
    });
    expect(profileWith("weightVersion: w")).toMatchObject({ revision: "r", weightVersion: "w" });
  });

  it("has the keys of its kind only", () => {
    const mla =
      "kind: mla, id: m, revision: r, layers: 61, loraRank: 512, ropeDim: 64, dtype: bf16";
    const withProfile = (profile: string) =>
      problemsOf(`pools: [{ name: default, endpoints: [], kv: { profile: { ${profile} } } }]`);
    expect(withProfile(mla)).toEqual([]);
    expect(withProfile(`${mla}, kvHeads: 8`)).toEqual([
      "pools[0].kv.profile.kvHeads is not a known key",
    ]);
    expect(withProfile(mla.replace("mla", "gqa"))).toEqual([
      'pools[0].kv.profile.kind "gqa" must be one of mha, mla',
    ]);
    expect(withProfile("id: m")).toEqual(["pools[0].kv.profile.kind is required"]);
  });

  it.each([
    ["tensorParallel: 3", "tensorParallel 3 must divide kvHeads 8"],
    ["rope: { a: .nan }", "rope must hold finite numbers and well-formed Unicode only"],
    ["rope: { a: { b: { c: { d: {} } } } }", "rope must not be nested more than 4 deep"],
  ])("keeps the rules of the KV core: %s", (profile, problem) => {
    expect(problemsOf(kvText({ profile }))).toEqual([`pools[0].kv.profile ${problem}`]);
  });
});

describe("values", () => {
  const hash = "a".repeat(64);

  it.each([
    [{ locations: location("a", "root: a, tier: memory") }],
    [{ locations: '{ id: a, root: a, capacityBytes: 1048576, uriPrefix: "nfs://host/kv/" }' }],
    [{ kv: 'api: { publicUrl: "https://[2001:db8::1]:8443/kv" }' }],
    [{ kv: `tenants: [{ name: "${"t".repeat(128)}", tokenHashes: [${hash}] }]` }],
    [{ kv: "tenants: [{ name: t, quota: { bytes: null, sessions: 0, pins: 0 } }]" }],
  ])("takes %j", (sections) => {
    expect(problemsOf(kvText(sections))).toEqual([]);
  });

  it.each([
    [
      { locations: location("a", "root: a, tier: tape") },
      'kv.locations[0].tier "tape" must be one of memory, disk, remote',
    ],
    [
      { locations: '{ id: a, root: a, capacityBytes: 1048576, uriPrefix: "file:///a" }' },
      'kv.locations[0].uriPrefix "file:///a" must be scheme://, more visible ASCII without ? or #, / at the end, at most 1024 characters',
    ],
    [{ locations: "{ id: a, root: a }" }, "kv.locations[0].capacityBytes is required"],
    [
      { kv: 'tenants: [{ name: "" }]' },
      'kv.tenants[0].name "" must be 1..128 visible ASCII characters',
    ],
    [
      { kv: "tenants: [{ name: t, tokenHashes: [secret] }]" },
      "kv.tenants[0].tokenHashes[0] must be a SHA-256 of 64 lower-case hex digits",
    ],
    [
      { kv: 'listen: "unix:/run/kv.sock"' },
      'kv.listen "unix:/run/kv.sock" must be IP:port (IPv6 in brackets) or localhost:port',
    ],
    ...[
      "kv.example",
      "ftp://kv.example",
      "https://kv.example/",
      "https://kv.example?a",
      "https://kv.example/#a",
      "https://me@kv.example",
      "https://kv.example:0x1",
      "https://kv example",
    ].map((url): [Record<string, string>, string] => [
      { kv: `api: { publicUrl: "${url}" }` },
      `kv.api.publicUrl "${url}" must be http:// or https://, a host, perhaps a port and a path; no user, ? or #, no / at the end; at most 1024 characters`,
    ]),
    [{ kv: "turns: { turnsMs: 1 }" }, "kv.turns.turnsMs is not a known key"],
  ])("refuses %j, and shows no token", (sections, problem) => {
    expect(problemsOf(kvText(sections))).toEqual([problem]);
  });
});
