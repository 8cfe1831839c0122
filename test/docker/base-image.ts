/**
 * The base of the build: the Dockerfile's own default where a registry answers, else the same Debian put together by
 * debootstrap from a package mirror.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./command.ts";
import type { DockerDaemon } from "./daemon.ts";

const published = "debian:bookworm-slim";
const local = "moorline-base:bookworm";
const registryProbe = { url: "https://registry-1.docker.io/v2/", timeoutMs: 3_000 };
const pullTimeoutMs = 120_000;

export interface BaseImageOptions {
  readonly daemon: DockerDaemon;
  /** For a root file system while it is being made. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** The name of an image that the daemon has. */
export async function provideBaseImage(options: BaseImageOptions): Promise<string> {
  for (const name of [published, local]) if (await hasImage(options.daemon, name)) return name;
  if (await pull(options)) return published;
  await bootstrap(options);
  return local;
}

async function hasImage({ docker }: DockerDaemon, name: string): Promise<boolean> {
  return docker(["image", "inspect", name]).then(Boolean, () => false);
}

async function pull({ daemon, signal }: BaseImageOptions): Promise<boolean> {
  const isReached = await fetch(registryProbe.url, {
    signal: AbortSignal.timeout(registryProbe.timeoutMs),
  }).then(
    ({ status }) => status === 200 || status === 401,
    () => false,
  );
  if (!isReached) return false;
  const pulled = daemon.docker(["pull", published], { signal, timeoutMs: pullTimeoutMs });
  return pulled.then(
    () => true,
    () => false,
  );
}

async function bootstrap({ daemon, folder, signal }: BaseImageOptions): Promise<void> {
  const work = await mkdtemp(join(folder, "base-"));
  const [root, tar] = [join(work, "root"), join(work, "root.tar")];
  try {
    // In a mount namespace of its own: what debootstrap mounts is gone when it is, however it ends.
    const debootstrap = ["--mount", "debootstrap", "--variant=minbase", "bookworm", root];
    await run("unshare", debootstrap, { signal });
    await run("tar", ["-C", root, "-cf", tar, "."], { signal });
    await daemon.docker(["import", tar, local], { signal });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
