/** The two images under test: the sidecar from the Dockerfile, and the pinned Envoy with the libraries that it needs. */
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { envoyBinary } from "../../envoy/fetch.ts";
import { run } from "./command.ts";
import type { DockerDaemon } from "./daemon.ts";

const repository = resolve(import.meta.dirname, "..", "..");
const proxyVariables = ["http_proxy", "https_proxy", "no_proxy"];

export interface ImageOptions {
  readonly daemon: DockerDaemon;
  readonly name: string;
  readonly signal: AbortSignal;
}

export async function buildSidecarImage(base: string, options: ImageOptions): Promise<void> {
  const { daemon, name, signal } = options;
  const work = await mkdtemp(join(tmpdir(), "moorline-build-"));
  try {
    const secrets = await buildSecrets(work);
    const proxies = proxyVariables.filter((variable) => process.env[variable] !== undefined);
    await daemon.docker(
      [
        ["build", "--network", "host", "--tag", name],
        ["--build-arg", `BASE=${base}`],
        proxies.flatMap((variable) => ["--build-arg", variable]), // the value is taken from the environment
        secrets.flatMap(({ id, path }) => ["--secret", `id=${id},src=${path}`]),
        [repository],
      ].flat(),
      { signal, env: { DOCKER_BUILDKIT: "1" } },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What this machine needs to reach its npm registry. Written to `folder` where it is not a file yet. */
async function buildSecrets(folder: string): Promise<{ id: string; path: string }[]> {
  const npmrc = join(folder, "npmrc");
  await writeFile(npmrc, await registrySettings(), { mode: 0o600 });
  const secrets = [{ id: "npmrc", path: npmrc }];
  const authorities = process.env["NODE_EXTRA_CA_CERTS"] ?? process.env["SSL_CERT_FILE"];
  if (authorities !== undefined && existsSync(authorities)) {
    secrets.push({ id: "ca", path: authorities });
  }
  return secrets;
}

/** The registries and their credentials, and nothing else of this machine's npm settings. */
async function registrySettings(): Promise<string> {
  const npm = async (key: string) => (await run("npm", ["config", "get", key])).trim();
  const lines = [`registry=${await npm("registry")}`];
  for (const key of ["globalconfig", "userconfig"]) {
    const text = await readFile(await npm(key), "utf8").catch(() => "");
    lines.push(...text.split("\n").filter((line) => /^(\/\/|@[^:=]+:registry)/.test(line)));
  }
  return lines.join("\n");
}

export async function buildEnvoyImage({ daemon, name, signal }: ImageOptions): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), "moorline-build-"));
  const [root, tar] = [join(work, "root"), join(work, "root.tar")];
  try {
    const binary = await envoyBinary();
    const libraries = (await run("ldd", [binary])).match(/\/\S+(?= \(0x)/g) ?? [];
    await copy(binary, join(root, "envoy"));
    for (const library of libraries) await copy(library, join(root, library));
    await run("tar", ["-C", root, "-cf", tar, "."], { signal });
    await daemon.docker(["import", "--change", 'ENTRYPOINT ["/envoy"]', tar, name], { signal });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function copy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { dereference: true });
}
