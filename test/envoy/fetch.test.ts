import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { envoyBinary, EnvoyUnavailable, envoyVersion } from "../../envoy/fetch.ts";

let folder: string;
let binary: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-test-"));
  binary = join(folder, "envoy");
  await writeFile(binary, "");
  await chmod(binary, 0o755);
});

afterEach(async () => rm(folder, { recursive: true }));

it("ENVOY_BIN wins over an envoy on PATH", async () => {
  expect(await envoyBinary({ ENVOY_BIN: process.execPath, PATH: folder })).toBe(process.execPath);
});

it("an envoy on PATH wins over the pinned one", async () => {
  expect(await envoyBinary({ PATH: `/nonexistent:${folder}` })).toBe(binary);
});

it("reads the version that the binary names", async () => {
  const answer = "echo 'envoy  version: 9c4dd8/1.36.4-dev/Clean/RELEASE/BoringSSL'";
  await writeFile(binary, `#!/bin/sh\n[ "$1" = --version ] && ${answer}\n`);
  expect(await envoyVersion(binary)).toBe("1.36.4-dev");
});

it.each([
  ["answers something else", "#!/bin/sh\necho envoy of another kind\n", "envoy of another kind"],
  ["cannot be run here", "#!/nonexistent/sh\n", "ENOENT"],
])("an envoy that %s is named", async (_claim, script, said) => {
  await writeFile(binary, script);
  const asked = envoyVersion(binary);
  await expect(asked).rejects.toThrow(EnvoyUnavailable);
  await expect(asked).rejects.toThrow(new RegExp(`^${binary} --version .*${said}`));
});

it("an ENVOY_BIN that cannot be executed is named, and nothing else is tried", async () => {
  await chmod(binary, 0o644);
  await expect(envoyBinary({ ENVOY_BIN: binary, PATH: folder })).rejects.toThrow(
    `ENVOY_BIN=${binary}`,
  );
});
