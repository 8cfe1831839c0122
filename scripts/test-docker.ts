/**
 * The e2e cases again, with Envoy and the sidecar in containers, and what only an image can show. Needs Linux, root, and
 * dockerd and debootstrap on PATH (`npm run test:docker` installs them). Everything that it starts ends with it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { provideBaseImage } from "../test/docker/base-image.ts";
import { openDaemon } from "../test/docker/daemon.ts";
import type { DockerDaemon } from "../test/docker/daemon.ts";
import { buildEnvoyImage, buildSidecarImage } from "../test/docker/images.ts";

const repository = resolve(import.meta.dirname, "..");
const folder = resolve(repository, ".cache/docker");
const sidecarImage = "moorline:test";
const envoyImage = "moorline-envoy:test";

const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => stopping.abort(new Error(`stopped by ${signal}`)));
}
const { signal } = stopping;

async function main(): Promise<number> {
  // What the tests leave behind when they are stopped goes with it.
  const temporary = await mkdtemp(join(tmpdir(), "moorline-e2e-"));
  const daemon = await step("Docker daemon", async () => openDaemon(folder));
  try {
    signal.throwIfAborted();
    await buildImages(daemon);
    return await runTests({ DOCKER_HOST: daemon.host, TMPDIR: temporary });
  } finally {
    await daemon.close();
    await rm(temporary, { recursive: true, force: true });
  }
}

async function buildImages(daemon: DockerDaemon): Promise<void> {
  const base = await step("base image", async () => provideBaseImage({ daemon, folder, signal }));
  await step(`sidecar image on ${base}`, async () =>
    buildSidecarImage(base, { daemon, name: sidecarImage, signal }),
  );
  await step("Envoy image", async () => buildEnvoyImage({ daemon, name: envoyImage, signal }));
  await daemon.docker(["image", "prune", "--force"]); // what the new images replaced
}

async function runTests(env: Readonly<Record<string, string>>): Promise<number> {
  const vitest = resolve(repository, "node_modules/vitest/vitest.mjs");
  const images = { MOORLINE_IMAGE: sidecarImage, ENVOY_IMAGE: envoyImage };
  const child = spawn(process.execPath, [vitest, "run", "--project=docker"], {
    cwd: repository,
    stdio: "inherit",
    env: { ...process.env, ...env, ...images, TEST_RESULTS: "docker" },
  });
  signal.addEventListener("abort", () => child.kill("SIGTERM"));
  const [code] = (await once(child, "exit")) as [number | null];
  signal.throwIfAborted();
  return code ?? 1;
}

async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const value = await work();
  console.log(`${title}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return value;
}

try {
  process.exitCode = await main();
} catch (reason) {
  const cause: unknown = signal.aborted ? signal.reason : reason;
  console.error(cause instanceof Error ? cause.message : cause);
  process.exitCode = 1;
}
