import { describe, expect, it } from "vitest";
import type { KvConfig } from "../../src/config/kv-config.ts";
import {
  directoryOf,
  fileNamesOf,
  modelProfiles,
  quotas,
  readers,
  replicaPolicy,
  retentionClasses,
  scrubberPace,
  secretPath,
  sessionModel,
  tenantTokens,
  tokenizerFiles,
  turnPolicy,
  turnPools,
  verifierLimits,
} from "../../src/config/kv-config.ts";
import { parse } from "../support/config-problems.ts";
import { kvText, location, PROFILE, type KvSections } from "../support/kv-config.ts";

function kvOf(sections: KvSections): KvConfig {
  const { kv } = parse(kvText(sections));
  if (kv === null) throw new Error("no section");
  return kv;
}

it("the secret lies with the catalog unless it has a file of its own", () => {
  expect(secretPath(kvOf({}))).toBe("/etc/moorline/catalog/secret");
  expect(secretPath(kvOf({ kv: "secretFile: s" }))).toBe("/etc/moorline/s");
});

describe("model profiles", () => {
  const pool = (name: string, models: string, id?: string) =>
    `{ name: ${name}, models: [${models}], endpoints: []${id === undefined ? "" : `, kv: { profile: { ${PROFILE.replace("id: m", `id: ${id}`)} } }`} }`;
  const profilesOf = (...pools: string[]) =>
    modelProfiles(parse(`pools: [${pools.join(", ")}]`).pools);

  it("are those of the pool that serves the model, else of the default pool", () => {
    const profiles = profilesOf(pool("a", "m, n", "one"), pool("b", "", "two"), pool("c", "o"));
    const ids = ["m", "n", "o", "other"].map((model) => profiles.profile(model)?.id);
    expect(ids).toEqual(["one", "one", undefined, "two"]);
    expect(profiles.profile("m")).toBe(profiles.profile("m"));
  });

  it("are none of a model that no pool serves", () => {
    expect(profilesOf(pool("a", "m", "one")).profile("other")).toBeUndefined();
  });
});

describe("pools whose turns are read", () => {
  const TOKENIZER = "tokenizer: { file: t.json }";
  const pool = (name: string, models: string, keys: string) =>
    `{ name: ${name}, models: [${models}], endpoints: [], kv: { profile: { ${PROFILE.replace("id: m", `id: id-${name}`)} }, ${keys} } }`;
  const parsed = (...pools: string[]) =>
    parse(kvText({}).replace(/pools: .*/, `pools: [${pools.join(", ")}]`)).pools;

  it("are those that have a dialect", () => {
    const keys = "dialect: sglang-session";
    const pools = parsed(pool("a", "m", keys), pool("b", "n", ""), pool("c", "", keys));
    expect(turnPools(pools).map(({ name }) => name)).toEqual(["a", "c"]);
  });

  it.each([
    ["one that it serves", { models: "m, n", others: "o" }, "m"],
    ["its profile's id where it serves all others", { models: "", others: "o" }, "id-a"],
    ["its own name where another pool serves that id", { models: "", others: "id-a" }, "a"],
    ["that with a number where it serves both", { models: "", others: "id-a, a, a-2" }, "a-3"],
  ])(
    "make sessions with a model that leads to their profile: %s",
    (_, { models, others }, model) => {
      const pools = parsed(pool("a", models, "dialect: sglang-session"), pool("b", others, ""));
      const named = turnPools(pools).map((each) => sessionModel(each, modelProfiles(pools)));
      expect(named).toEqual([model]);
    },
  );

  it("have the tokenizer's files that they name", () => {
    const keys = "dialect: sglang-session";
    const [a, b] = turnPools(
      parsed(pool("a", "m", `${keys}, ${TOKENIZER}`), pool("b", "n", keys)),
    ).map(tokenizerFiles);
    expect(a).toEqual({ file: "/etc/moorline/t.json", config: undefined, template: undefined });
    expect(b).toBeUndefined();
  });
});

it("a location becomes what a directory is opened with", () => {
  const [flat, sharded] = kvOf({
    locations: `${location("a", "root: /no/such/root, naming: flat, weight: 2")}, ${location("b")}`,
  }).locations;
  if (flat === undefined || sharded === undefined) throw new Error("two were written");
  expect(directoryOf(flat)).toEqual({
    profile: {
      id: "a",
      tier: "disk",
      capacityBytes: 1_073_741_824,
      freeFloorBytes: 1_073_741_824,
      weight: 2,
    },
    root: "/no/such/root",
    naming: "flat",
    uriPrefix: "file:///a/",
  });
  expect([flat, sharded].map(fileNamesOf)).toEqual(["session", "random"]);
});

describe("retention classes", () => {
  it("are those of the documents unless others are given", () => {
    const known = (sections: KvSections) =>
      ["free", "standard", "premium", "a"].filter((name) =>
        retentionClasses(kvOf(sections)).lookup(name),
      );
    expect(known({})).toEqual(["free", "standard", "premium"]);
    expect(known({ kv: "retention: { defaultClass: a, classes: [{ name: a }] }" })).toEqual(["a"]);
    expect(retentionClasses(kvOf({})).lookup("free")).toEqual({
      name: "free",
      ttlMs: 600_000,
      maxAgeMs: 86_400_000,
      priority: 0,
      pinLimitMs: 0,
      admission: "always",
    });
  });

  it("that nobody asks for are the tenant's, else everybody's", () => {
    const classes = retentionClasses(
      kvOf({
        kv: "defaultTenant: { retentionClass: free }\ntenants: [{ name: t, retentionClass: premium }, { name: u }]",
      }),
    );
    const defaults = ["", "t", "u", "unknown"].map((tenant) => classes.defaultOf(tenant).name);
    expect(defaults).toEqual(["free", "premium", "standard", "standard"]);
  });
});

describe("tenants", () => {
  it("have the quota that they were given, and those that are not known have none", () => {
    const known = quotas(
      kvOf({
        kv: "defaultTenant: { quota: { bytes: 5, sessions: 6, pins: 7 } }\ntenants: [{ name: t }]",
      }),
    );
    expect(known.quota("")).toEqual({ bytes: 5, sessions: 6, pins: 7 });
    expect(known.quota("t")).toEqual({
      bytes: Number.MAX_SAFE_INTEGER,
      sessions: 100_000,
      pins: 100,
    });
    expect(known.quota("unknown")).toBeUndefined();
  });

  it("trust whom they were given, and nobody by default or where they are not known", () => {
    const reader = readers(
      kvOf({
        kv: 'defaultTenant: { trusts: [t] }\ntenants: [{ name: t, trusts: ["", u] }, { name: u }]',
      }),
    );
    expect(["", "t", "u", "unknown"].map(reader)).toEqual([
      { tenant: "", trusts: ["t"] },
      { tenant: "t", trusts: ["", "u"] },
      { tenant: "u", trusts: [] },
      { tenant: "unknown", trusts: [] },
    ]);
  });

  it("are known by each of their tokens", () => {
    const [one, two, three] = ["a", "b", "c"].map((digit) => digit.repeat(64));
    const tokens = tenantTokens(
      kvOf({
        kv: `tenants: [{ name: t, tokenHashes: [${one}, ${two}] }, { name: u, tokenHashes: [${three}] }]`,
      }),
    );
    expect([...tokens]).toEqual([
      [one, "t"],
      [two, "t"],
      [three, "u"],
    ]);
  });
});

it("turns and verification get their keys under the names that they know", () => {
  const kv = kvOf({
    kv: `
turns: { whenBusy: branch }
admission: { minTokens: 128 }
verify: { engine: none, listing: always, scrubBytesPerSecond: 1024 }`,
  });
  const turns = { whenBusy: "branch", turnMs: 900_000, minTokens: 128, recheck: "always" };
  expect(turnPolicy(kv)).toMatchObject(turns);
  expect(verifierLimits(kv)).toEqual({
    engine: "none",
    quietMs: 200,
    settleMaxMs: 5000,
    probeTimeoutMs: 1000,
    passesLimit: 2,
    passBytesLimit: 1_073_741_824,
    queueLimit: 1024,
  });
  expect(verifierLimits(kvOf({})).engine).toBe("probe");
  expect(scrubberPace(kv)).toEqual({ scrubIntervalMs: 86_400_000, bytesPerSecond: 1024 });
});

it("replicas are at most as many as the locations that engines reach, and off where that is one", () => {
  const archive = location("z", "root: z, engines: false");
  const maxOf = (count: number, replicas: string) => {
    const near = ["a", "b", "c"].slice(0, count).map((id) => location(id));
    const locations = [...near, archive].join(", ");
    return replicaPolicy(kvOf({ locations, kv: `replicas: ${replicas}` }))?.max;
  };
  expect([maxOf(1, "{}"), maxOf(2, "{}"), maxOf(3, "{}")]).toEqual([undefined, 2, 3]);
  expect([maxOf(3, "{ max: 1 }"), maxOf(3, "{ max: 2 }")]).toEqual([undefined, 2]);
  expect(maxOf(2, "{ max: 16 }")).toBe(2);
});
