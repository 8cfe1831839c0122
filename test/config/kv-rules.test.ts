import { describe, expect, it } from "vitest";
import { parse, problemsOf } from "../support/config-problems.ts";
import { kvText, location } from "../support/kv-config.ts";

describe("locations", () => {
  const problemsWith = (...locations: string[]) =>
    problemsOf(kvText({ locations: locations.join(", ") }));

  it("have an id each", () => {
    const twin = location("a", "root: b").replace("///a/", "///b/");
    expect(problemsWith(location("a"), twin)).toEqual([
      'kv.locations[1].id "a" must be unique; kv.locations[0] has it',
    ]);
  });

  it("lie apart from each other, however their roots are written", () => {
    expect(problemsWith(location("a"), location("ab"))).toEqual([]);
    expect(
      problemsWith(location("a", "root: kv"), location("b", "root: /etc/moorline/kv/./")),
    ).toEqual(['kv.locations[1].root "/etc/moorline/kv/./" must not lie in kv.locations[0].root']);
    expect(
      problemsWith(location("a", "root: kv/deep/er"), location("b", "root: ../moorline/kv")),
    ).toEqual(['kv.locations[0].root "kv/deep/er" must not lie in kv.locations[1].root']);
    expect(problemsWith(location("a", "root: /")).map((problem) => problem.split(" ")[0])).toEqual([
      "kv.catalog.path",
    ]);
  });

  it("are flat once at most", () => {
    const flat = (id: string) => location(id, `root: ${id}, naming: flat`);
    expect(problemsWith(location("a"), flat("b"))).toEqual([]);
    expect(problemsWith(location("a"), flat("b"), flat("c"))).toEqual([
      'kv.locations[2].naming "flat" must be flat in one location only; kv.locations[1] is',
    ]);
  });

  it("have labels as endpoints have them", () => {
    const labelled = (labels: object) =>
      problemsWith(location("a", `root: a, labels: ${JSON.stringify(labels)}`)).length;
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`l${at}`, ""]));
    const [longest, longer] = ["x".repeat(128), "x".repeat(129)];
    const good = [{}, many(32), { [longest]: longest }];
    const bad = [many(33), { [longer]: "" }, { node: longer }, { node: 1 }, { "": "" }, []];
    expect(good.map(labelled)).toEqual([0, 0, 0]);
    expect(bad.map((labels) => labelled(labels) > 0)).toEqual(bad.map(() => true));
  });

  it("are not all out of the reach of engines", () => {
    const archive = (id: string) => location(id, `root: ${id}, engines: false`);
    expect(problemsWith(location("a"), archive("b"))).toEqual([]);
    expect(problemsWith(archive("a"), archive("b"))).toEqual([
      "kv.locations (2 items) must have at least one that engines reach (engines: true)",
    ]);
  });

  it("are told apart by their URIs", () => {
    const at = (id: string, prefix: string) =>
      location(id).replace(`"file:///${id}/"`, `"${prefix}"`);
    expect(problemsWith(at("a", "file:///k/a/"), at("b", "file:///k/ab/"))).toEqual([]);
    expect(problemsWith(at("a", "file:///"), at("b", "file:///"))).toEqual([
      'kv.locations[1].uriPrefix "file:///" must not start with that of kv.locations[0]',
    ]);
    expect(problemsWith(at("a", "file:///kv/"), at("b", "file:///"))).toEqual([
      'kv.locations[0].uriPrefix "file:///kv/" must not start with that of kv.locations[1]',
    ]);
  });

  it("have a headroom below their capacity", () => {
    const withHeadroom = (bytes: number) =>
      problemsWith(location("a", `root: a, headroomBytes: ${bytes}`));
    expect(withHeadroom(1_073_741_823)).toEqual([]);
    expect(withHeadroom(1_073_741_824)).toEqual([
      "kv.locations[0].headroomBytes 1073741824 must be < capacityBytes 1073741824",
    ]);
  });
});

describe("what only the service may see", () => {
  it("lies in no root, and no root in it", () => {
    const problemsWith = (catalog: string, secretFile: string) =>
      problemsOf(kvText({ catalog, kv: `secretFile: ${secretFile}` }));
    expect(problemsWith("b", "b/secret")).toEqual([]);
    expect(problemsWith("a/catalog", "secret")).toEqual([
      'kv.catalog.path "a/catalog" must not lie in kv.locations[0].root',
    ]);
    expect(problemsWith(".", "secret")).toEqual([
      'kv.locations[0].root "a" must not lie in kv.catalog.path',
    ]);
    expect(problemsWith("b", "a/secret")).toEqual([
      'kv.secretFile "a/secret" must not lie in kv.locations[0].root',
    ]);
  });
});

describe("retention classes", () => {
  const problemsWith = (classes: string, more = "") =>
    problemsOf(kvText({ kv: `retention: { defaultClass: a, classes: [${classes}] }\n${more}` }));

  it("have a name each", () => {
    expect(problemsWith("{ name: a }, { name: b }, { name: a }")).toEqual([
      'kv.retention.classes[2].name "a" must be unique; kv.retention.classes[0] has it',
    ]);
  });

  it("are known where they are named", () => {
    const tenants =
      "defaultTenant: { retentionClass: b }\ntenants: [{ name: t, retentionClass: c }]";
    expect(problemsWith("{ name: a }, { name: b }, { name: c }", tenants)).toEqual([]);
    const rule = "must be the name of one of kv.retention.classes";
    expect(problemsWith("{ name: d }", tenants)).toEqual([
      `kv.retention.defaultClass "a" ${rule}`,
      `kv.defaultTenant.retentionClass "b" ${rule}`,
      `kv.tenants[0].retentionClass "c" ${rule}`,
    ]);
  });

  it("let a session become as old as one rest is long", () => {
    expect(problemsWith("{ name: a, ttlMs: 2000, maxAgeMs: 2000 }")).toEqual([]);
    expect(problemsWith("{ name: a, ttlMs: 2000, maxAgeMs: 1999 }")).toEqual([
      "kv.retention.classes[0].maxAgeMs 1999 must be >= ttlMs 2000",
    ]);
  });
});

describe("tenants", () => {
  const [one, two] = ["a".repeat(64), "b".repeat(64)];
  const problemsWith = (tenants: string) => problemsOf(kvText({ kv: `tenants: [${tenants}]` }));

  it("have a name each", () => {
    expect(problemsWith("{ name: t }, { name: u }, { name: t }")).toEqual([
      'kv.tenants[2].name "t" must be unique; kv.tenants[0] has it',
    ]);
  });

  it("share no token", () => {
    const tenant = (name: string, hash: string) => `{ name: ${name}, tokenHashes: [${hash}] }`;
    expect(problemsWith(`${tenant("t", one)}, ${tenant("u", two)}`)).toEqual([]);
    expect(problemsWith(`${tenant("t", one)}, ${tenant("u", `${two}, ${one}`)}`)).toEqual([
      "kv.tenants[1].tokenHashes[1] must be of one tenant only; kv.tenants[0] has it",
    ]);
    expect(problemsWith(tenant("t", `${one}, ${one}`))).toEqual([
      "kv.tenants[0].tokenHashes[1] must not be listed twice",
    ]);
  });
});

describe("whom tenants trust", () => {
  const problemsWith = (kv: string) => problemsOf(kvText({ kv }));

  it("are tenants that there are, the default one by its empty name", () => {
    const known = 'tenants: [{ name: t, trusts: ["", u] }, { name: u }]';
    expect(problemsWith(`${known}\ndefaultTenant: { trusts: [t, u] }`)).toEqual([]);
    const unknown = "tenants: [{ name: t, trusts: [u, x] }, { name: u }]";
    const rule = 'must be "" or the name of one of kv.tenants';
    expect(problemsWith(`${unknown}\ndefaultTenant: { trusts: [y] }`)).toEqual([
      `kv.defaultTenant.trusts[0] "y" ${rule}`,
      `kv.tenants[0].trusts[1] "x" ${rule}`,
    ]);
  });

  it("are named once", () => {
    expect(problemsWith("tenants: [{ name: t, trusts: [u, u] }, { name: u }]")).toEqual([
      'kv.tenants[0].trusts[1] "u" must not be listed twice',
    ]);
  });
});

describe("the listener", () => {
  const problemsWith = (listen: string, more: { kv?: string; top?: string }) =>
    problemsOf(kvText({ ...more, kv: `listen: "${listen}"\n${more.kv ?? ""}` }));

  it.each(["127.0.0.1:1", "[::1]:1", "localhost:1"])("needs no token on %s", (listen) => {
    expect(problemsWith(listen, {})).toEqual([]);
  });

  it.each(["0.0.0.0:1", "[::]:1"])("needs an admin's or a tenant's token on %s", (listen) => {
    const tenants = `tenants: [{ name: t }, { name: u, tokenHashes: [${"a".repeat(64)}] }]`;
    expect(problemsWith(listen, { top: "admin: { tokenFile: t }" })).toEqual([]);
    expect(problemsWith(listen, { kv: tenants })).toEqual([]);
    expect(problemsWith(listen, { kv: "tenants: [{ name: t }]" })).toEqual([
      `kv.listen "${listen}" must be loopback, because neither admin.tokenFile nor kv.tenants[].tokenHashes asks for a token`,
    ]);
  });
});

describe("times", () => {
  const problemsWith = (kv: string) => problemsOf(kvText({ kv }));

  it("keep a file until no turn can write to it any more", () => {
    expect(problemsWith("turns: { turnMs: 2000 }\nkeeper: { quarantineMs: 2000 }")).toEqual([]);
    expect(problemsWith("turns: { turnMs: 2000 }\nkeeper: { quarantineMs: 1999 }")).toEqual([
      "kv.keeper.quarantineMs 1999 must be >= kv.turns.turnMs 2000",
    ]);
    expect(problemsWith("turns: { turnMs: 900001 }")).toEqual([
      "kv.keeper.quarantineMs must be >= kv.turns.turnMs 900001",
    ]);
  });

  it("let both parts of a turn be verified before it is given up", () => {
    const verify = "verify: { settleMaxMs: 1000, probeTimeoutMs: 500 }";
    expect(problemsWith(`${verify}\nturns: { settleMs: 3001 }`)).toEqual([]);
    expect(problemsWith(`${verify}\nturns: { settleMs: 3000 }`)).toEqual([
      "kv.turns.settleMs 3000 must be > 3000, twice kv.verify.settleMaxMs and probeTimeoutMs together",
    ]);
  });

  it("let two reads come apart before bytes are given up", () => {
    expect(problemsWith("verify: { quietMs: 200, settleMaxMs: 200 }")).toEqual([]);
    expect(problemsWith("verify: { quietMs: 201, settleMaxMs: 200 }")).toEqual([
      "kv.verify.settleMaxMs 200 must be >= kv.verify.quietMs 201",
    ]);
  });
});

describe("replicas", () => {
  const problemsWith = (replicas: string, engines: readonly boolean[]) => {
    const locations = engines.map((reach, at) =>
      location(`l${at}`, `root: l${at}, engines: ${reach}`),
    );
    return problemsOf(kvText({ kv: `replicas: ${replicas}`, locations: locations.join(", ") }));
  };

  it("are at least as many as they are at most", () => {
    expect(problemsWith("{ min: 2, max: 2 }", [true, true])).toEqual([]);
    expect(problemsWith("{ min: 2, max: 1 }", [true, true])).toEqual([
      "kv.replicas.max 1 must be >= kv.replicas.min 2",
    ]);
  });

  it("have a location each that engines reach", () => {
    expect(problemsWith("{ min: 2 }", [true, false, true])).toEqual([]);
    expect(problemsWith("{ min: 2 }", [true, false])).toEqual([
      "kv.replicas.min 2 must be <= 1, the kv.locations that engines reach",
    ]);
  });
});

it("the section needs a pool whose engines store something", () => {
  const text = kvText({}).replace(/, kv: \{ profile.*\} \} \}\]/, " }]");
  expect(problemsOf(text)).toEqual(["kv must have at least one of pools[] with kv.profile"]);
  expect(parse(kvText({})).pools[0]?.kv?.profile?.layers).toBe(36);
});

it("problems of all kinds come at once", () => {
  const text = kvText({
    profile: "tensorParallel: 3",
    locations: location("a", "root: a, capacity: 1"),
    kv: "turns: { turnMs: 900001, waitMs: soon }\ntenants: [{ name: t, retentionClass: x }]",
    top: "affinity: { fallbacks: 8 }",
  });
  expect(problemsOf(text)).toEqual([
    "affinity.fallbacks 8 must be <= 7",
    "pools[0].kv.profile tensorParallel 3 must divide kvHeads 8",
    "kv.locations[0].capacity is not a known key",
    'kv.turns.waitMs "soon" must be a number',
    'kv.tenants[0].retentionClass "x" must be the name of one of kv.retention.classes',
    "kv.keeper.quarantineMs must be >= kv.turns.turnMs 900001",
  ]);
});
