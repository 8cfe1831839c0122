import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkConfig } from "../../src/config/check.ts";

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

it("sums up a good configuration together with its endpoints files", async () => {
  await write("e.yaml", 'endpoints: ["10.0.0.1:1", { address: "10.0.0.2:1", weight: 3 }]');
  const path = await write(
    "good.yaml",
    'pools: [{ name: a, endpointsFile: e.yaml }, { name: b, models: [m], endpoints: ["10.0.0.3:1"] }]',
  );
  expect(await checkConfig(path)).toBe(
    "ok: pools 2, endpoints 3, smallest expected slots 16384.0 of 10.0.0.1:1",
  );
});

it("sums up a configuration without an endpoint on a ring", async () => {
  const path = await write("empty.yaml", "pools: [{ name: a, endpoints: [] }]");
  expect(await checkConfig(path)).toBe("ok: pools 1, endpoints 0, smallest expected slots none");
});

it("lists every problem of the files that the configuration names", async () => {
  await write("narrow.yaml", 'endpoints: ["10.0.0.1:1", { address: "10.0.0.2:1", weight: 0.1 }]');
  await write("broken.yaml", "endpoints: [nonsense]");
  const path = await write(
    "bad.yaml",
    `
affinity: { ringSlots: 1024 }
admin: { tokenFile: no-token }
extproc: { tls: { certFile: no-cert, keyFile: no-key } }
pools:
  - { name: a, endpointsFile: narrow.yaml }
  - { name: b, models: [b], endpointsFile: broken.yaml }
  - { name: c, models: [c], endpointsFile: missing.yaml }`,
  );
  const refusal = await checkConfig(path).catch((reason: unknown) => reason);
  expect(refusal).toMatchObject({ code: "config_invalid" });
  for (const part of [
    "narrow.yaml endpoints 10.0.0.2:1 has 93.1 expected slots",
    "broken.yaml",
    "missing.yaml",
    "extproc.tls.certFile",
    "extproc.tls.keyFile",
    "admin.tokenFile",
  ]) {
    expect(String(refusal)).toContain(part);
  }
});
