import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkConfig, loadUsableConfig } from "../../src/config/check.ts";
import { AppError } from "../../src/errors.ts";

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
