import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkConfig, loadUsableConfig, rolesOf } from "../../src/config/check.ts";
import { fileProblems, JSON_FILE_LIMIT_BYTES } from "../../src/config/named-files.ts";
import { AppError } from "../../src/errors.ts";
import { kvText, location } from "../support/kv-config.ts";
import { smallTokenizer } from "../support/small-tokenizer.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-check-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

/** The lines of the `config_invalid` that it rejects with. */
async function refusalOf(checked: Promise<unknown>): Promise<string[]> {
  const reason: unknown = await checked.catch((rejected: unknown) => rejected);
  if (!(reason instanceof AppError) || reason.code !== "config_invalid")
    throw new Error("refused?");
  return reason.message.split("\n");
}

it("sums up a good configuration together with its endpoints files", async () => {
  await write("e.yaml", 'endpoints: ["10.0.0.1:1", { address: "10.0.0.2:1", weight: 3 }]');
  const path = await write(
    "good.yaml",
    'pools: [{ name: a, endpointsFile: e.yaml }, { name: b, models: [m], endpoints: ["10.0.0.3:1"] }]',
  );
  expect(await checkConfig(path)).toEqual({
    summary: "ok: pools 2, endpoints 3, smallest expected slots 16384.0 of 10.0.0.1:1",
    warnings: [],
  });
});

it("warns of labels by the endpoints files, which the configuration alone does not have", async () => {
  await mkdir(join(folder, "labelled"));
  await write("labels.yaml", 'endpoints: [{ address: "10.0.0.1:1", labels: { node: a } }]');
  const locations = location("one", "root: labelled, labels: { node: b }");
  const text = kvText({ catalog: "labels-catalog", locations });
  const path = await write(
    "labels-config.yaml",
    text.replace("endpoints: []", "endpointsFile: labels.yaml"),
  );
  expect((await checkConfig(path)).warnings).toEqual([
    expect.stringMatching(/^kv\.locations\[0\] one is reached by no endpoint /),
    expect.stringMatching(/^endpoint 10\.0\.0\.1:1 reaches none /),
  ]);
});

it("sums up a configuration without an endpoint on a ring", async () => {
  const path = await write("empty.yaml", "pools: [{ name: a, endpoints: [] }]");
  const { summary } = await checkConfig(path);
  expect(summary).toBe("ok: pools 1, endpoints 0, smallest expected slots none");
});

it("lists every problem of the files that the configuration names", async () => {
  await write("narrow.yaml", 'endpoints: ["10.0.0.1:1", { address: "10.0.0.2:1", weight: 0.1 }]');
  await write("broken.yaml", "endpoints: [nonsense, 10.0.0.1:0]");
  const path = await write(
    "bad.yaml",
    `
affinity: { ringSlots: 1024 }
admin: { tokenFile: no-token }
extproc: { tls: { certFile: no-cert, keyFile: . } }
envoy: { edsFile: "nowhere/{pool}/eds.json" }
pools:
  - { name: a, endpointsFile: narrow.yaml }
  - { name: b, models: [b], endpointsFile: broken.yaml }`,
  );
  expect(await refusalOf(checkConfig(path))).toEqual([
    `${path}: 7 problems`,
    `  extproc.tls.certFile ${folder}/no-cert cannot be read: no such file`,
    `  extproc.tls.keyFile ${folder} cannot be read: it is a folder`,
    `  admin.tokenFile ${folder}/no-token cannot be read: no such file`,
    `  envoy.edsFile cannot be written to ${folder}/nowhere/a: no such folder`,
    `  envoy.edsFile cannot be written to ${folder}/nowhere/b: no such folder`,
    `  ${folder}/narrow.yaml endpoints 10.0.0.2:1 has 93.1 expected slots of affinity.ringSlots 1024, must have >= 100`,
    `  endpoints file ${folder}/broken.yaml cannot be used:`,
    '    endpoints[0] "nonsense": must be "ip:port" or "[ipv6]:port"',
    '    endpoints[1] "10.0.0.1:0": port must be 1 to 65535',
  ]);
});

it("lists what is missing beside the problems of the configuration itself", async () => {
  const path = await write(
    "both.yaml",
    `
admin: { tokenFile: no-token, listen: 7 }
envoy: { edsFile: bad.yaml/eds.json }
pools: [{ name: a, endpointsFile: none.yaml }]
health: { pth: /healthz }`,
  );
  await write("bad.yaml", "");
  expect(await refusalOf(checkConfig(path))).toEqual([
    `${path}: 5 problems`,
    "  health.pth is not a known key",
    "  admin.listen 7 must be text",
    `  admin.tokenFile ${folder}/no-token cannot be read: no such file`,
    `  envoy.edsFile cannot be written to ${folder}/bad.yaml: it is not a folder`,
    `  endpoints file ${folder}/none.yaml cannot be used:`,
    "    no such file",
  ]);
});

it("is not ready to serve while a file or a folder is missing; endpoints files are read later", async () => {
  const text = "envoy: { edsFile: eds/x.json }\npools: [{ name: a, endpointsFile: none.yaml }]";
  const path = await write("serve.yaml", text);
  expect(await refusalOf(loadUsableConfig(path))).toEqual([
    `${path}: 1 problem`,
    `  envoy.edsFile cannot be written to ${folder}/eds: no such folder`,
  ]);
  await mkdir(join(folder, "eds"));
  expect((await loadUsableConfig(path)).envoy.edsFile).toBe(join(folder, "eds/x.json"));
});

describe("a KV service", () => {
  it("needs its folders, its files and a secret that is long enough", async () => {
    await write("kv-file", "");
    await write("short", "s".repeat(31));
    const path = await write(
      "kv-bad.yaml",
      kvText({
        catalog: "none/catalog",
        locations: `${location("a", "root: no-root")}, ${location("b", "root: kv-file")}`,
        kv: "secretFile: short\ntls: { certFile: no-cert, keyFile: kv-file }",
      }),
    );
    expect(await refusalOf(checkConfig(path))).toEqual([
      `${path}: 5 problems`,
      `  kv.tls.certFile ${folder}/no-cert cannot be read: no such file`,
      `  kv.catalog.path cannot be written to ${folder}/none/catalog: ${folder}/none: no such folder`,
      `  kv.secretFile ${folder}/short cannot be read: its 31 bytes must be 32..4096`,
      `  kv.locations[0].root cannot be written to ${folder}/no-root: no such folder`,
      `  kv.locations[1].root cannot be written to ${folder}/kv-file: it is not a folder`,
    ]);
  });

  it("makes its catalog's folder itself, and takes a secret of 32..4096 bytes", async () => {
    await mkdir(join(folder, "root"));
    const path = await write(
      "kv-good.yaml",
      kvText({ locations: location("a", "root: root"), kv: "secretFile: secret" }),
    );
    for (const bytes of [32, 4096]) {
      await write("secret", "s".repeat(bytes));
      expect((await loadUsableConfig(path)).kv?.catalog.path).toBe(join(folder, "catalog"));
    }
    await write("secret", "s".repeat(4097));
    expect(await refusalOf(loadUsableConfig(path))).toHaveLength(2);
    await rm(join(folder, "secret"));
    await mkdir(join(folder, "secret"));
    expect(await refusalOf(loadUsableConfig(path))).toEqual([
      `${path}: 1 problem`,
      `  kv.secretFile ${folder}/secret cannot be read: it is a folder`,
    ]);
  });

  it("has its catalog in a folder that can be written to, where it is there", async () => {
    await write("taken", "");
    await mkdir(join(folder, "here"));
    const catalogAt = (catalog: string) =>
      write("kv-catalog.yaml", kvText({ catalog, locations: location("a", "root: here") }));
    const path = await catalogAt("taken");
    expect(await refusalOf(loadUsableConfig(path))).toEqual([
      `${path}: 1 problem`,
      `  kv.catalog.path cannot be written to ${folder}/taken: it is not a folder`,
    ]);
  });
});

it("a pool of servers with a key has its file", async () => {
  await mkdir(join(folder, "saved"));
  const kv = "kv: { dialect: llamacpp-slots, slots: { apiKeyFile: key } }";
  const text = kvText({ locations: location("a", "root: saved") });
  const path = await write("keyed.yaml", text.replace(/kv: \{.*\} \}\]/, `${kv} }]`));
  expect(await refusalOf(checkConfig(path))).toEqual([
    `${path}: 1 problem`,
    `  pools[0].kv.slots.apiKeyFile ${folder}/key cannot be read: no such file`,
  ]);
  await write("key", "sk-1");
  expect((await loadUsableConfig(path)).pools[0]?.kv?.slots.apiKeyFile).toBe(join(folder, "key"));
});

describe("a tokenizer", () => {
  const tokenizer = "tokenizer: { file: t.json, config: c.json, template: t.jinja }";
  const turns = `dialect: sglang-session, ${tokenizer}`;

  it("has files that are there, and can be used as serve uses them", async () => {
    await mkdir(join(folder, "bytes"));
    const path = await write(
      "tokenizer.yaml",
      kvText({ turns, locations: location("a", "root: bytes") }),
    );
    await write("t.json", '{"version": "1.0"');
    expect(await refusalOf(checkConfig(path))).toEqual([
      `${path}: 3 problems`,
      `  pools[0].kv.tokenizer.file ${folder}/t.json cannot be read: it is no JSON`,
      `  pools[0].kv.tokenizer.config ${folder}/c.json cannot be read: no such file`,
      `  pools[0].kv.tokenizer.template ${folder}/t.jinja cannot be read: no such file`,
    ]);
    await write("t.json", "{}");
    await write("c.json", "");
    await write("t.jinja", "");
    expect(await refusalOf(checkConfig(path))).toEqual([
      `${path}: 1 problem`,
      `  pools[0].kv.tokenizer.config ${folder}/c.json cannot be read: it is no JSON`,
    ]);
    await write("c.json", "{}");
    await write("t.jinja", "{{ messages }}");
    const unusable = `  pools[0].kv.tokenizer: tokenizer file ${folder}`;
    expect(await refusalOf(checkConfig(path))).toEqual([
      `${path}: 1 problem`,
      expect.stringContaining(`${unusable}/t.json cannot be used: Tokenizer must contain`),
    ]);
    await write("t.json", JSON.stringify(smallTokenizer()));
    expect((await checkConfig(path)).warnings).toEqual([]);
    await write("t.jinja", '{{ strftime_now("%Y") }}');
    expect(await refusalOf(checkConfig(path))).toEqual([
      `${path}: 1 problem`,
      expect.stringContaining(`${unusable}/t.jinja cannot be used: `),
    ]);
  });

  it("is not read where it is larger than any", async () => {
    const path = join(folder, "huge.json");
    await write("huge.json", "1");
    await truncate(path, JSON_FILE_LIMIT_BYTES + 1);
    const file = { key: "k", path, kind: "json" } as const;
    expect(await fileProblems([file])).toEqual([
      `k ${path} cannot be read: its 67108865 bytes must be at most 67108864`,
    ]);
  });
});

describe("roles", () => {
  const routingFiles = "envoy: { edsFile: nowhere/eds.json }";

  it("are all that the configuration has, unless told", async () => {
    const plain = await write("plain.yaml", "pools: [{ name: a, endpoints: [] }]");
    expect(rolesOf(await loadUsableConfig(plain), undefined)).toEqual(["routing"]);
    await mkdir(join(folder, "both"));
    const both = await write("kv.yaml", kvText({ locations: location("a", "root: both") }));
    const config = await loadUsableConfig(both);
    expect(rolesOf(config, undefined)).toEqual(["routing", "kv"]);
    expect(rolesOf(config, ["routing"])).toEqual(["routing"]);
  });

  it("need no file of the other half, and all of those that both have", async () => {
    const sections = {
      locations: location("a", "root: nowhere"),
      top: `${routingFiles}\nadmin: { tokenFile: none }`,
    };
    const path = await write("halves.yaml", kvText(sections));
    const token = `  admin.tokenFile ${folder}/none cannot be read: no such file`;
    const eds = `  envoy.edsFile cannot be written to ${folder}/nowhere: no such folder`;
    const root = `  kv.locations[0].root cannot be written to ${folder}/nowhere: no such folder`;
    expect((await refusalOf(loadUsableConfig(path, ["routing"]))).slice(1)).toEqual([token, eds]);
    expect((await refusalOf(loadUsableConfig(path, ["kv"]))).slice(1)).toEqual([token, root]);
    expect((await refusalOf(checkConfig(path))).slice(1)).toEqual([token, root, eds]);
  });

  it("are both needed where turns are read", async () => {
    await mkdir(join(folder, "turns"));
    const sections = { locations: location("a", "root: turns"), turns: "dialect: sglang-session" };
    const path = await write("turns.yaml", kvText(sections));
    const refusal = [
      `${path}: 1 problem`,
      "  pools[0].kv.dialect needs --roles routing,kv: only a process with both removes what clients forge from what it routes to the pool",
    ];
    expect(await refusalOf(loadUsableConfig(path, ["routing"]))).toEqual(refusal);
    expect(await refusalOf(checkConfig(path, ["routing"]))).toEqual(refusal);
    for (const roles of [undefined, ["kv"], ["routing", "kv"]] as const) {
      expect((await loadUsableConfig(path, roles)).pools[0]?.kv?.dialect).toBe("sglang-session");
    }
  });

  it("of KV need the section", async () => {
    const path = await write("routing.yaml", "pools: [{ name: a, endpoints: [] }]");
    expect(await refusalOf(loadUsableConfig(path, ["routing", "kv"]))).toEqual([
      `${path}: 1 problem`,
      "  kv is required, because --roles has kv",
    ]);
  });
});
