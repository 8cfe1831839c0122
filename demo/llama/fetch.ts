/**
 * The Python packages that the llama-servers of the demo and the tests are made of: wheels of PyPI (requirements.txt, checked by hash),
 * kept under .cache. `node demo/llama/fetch.ts` prints their folder.
 */
import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { providePinnedWheels } from "../../scripts/pinned-wheels.ts";

const version = "2026.10.11549";
const requirements = join(import.meta.dirname, "requirements.txt");
const pythonTimeoutMs = 30_000;
const run = promisify(execFile);

/** There is no llama-server to run. The message names the cure and is all that a user needs. */
export class LlamaUnavailable extends Error {
  override readonly name = "LlamaUnavailable";
}

export interface LlamaPython {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
}

/** A Python that has xllamacpp and gguf. Rejects with `LlamaUnavailable`. */
export async function llamaPython(): Promise<LlamaPython> {
  try {
    const folder = await providePinnedWheels({
      folder: ["llama", `${version}-${await pythonTag()}`],
      requirements,
      notice: `Getting llama.cpp's server (xllamacpp ${version}) and gguf from PyPI, about 55 MB, once`,
      isComplete: async (each) =>
        (await exists(join(each, "xllamacpp"))) && exists(join(each, "gguf")),
    });
    return { command: "python3", env: { ...process.env, PYTHONPATH: folder } };
  } catch (reason) {
    const said = reason instanceof Error ? reason.message : String(reason);
    throw new LlamaUnavailable(
      `xllamacpp ${version} could not be had from PyPI (${process.platform} ${process.arch}). There are wheels for Linux ` +
        `x86_64 and aarch64 (glibc 2.28 or newer) and for macOS 14 on arm64, for Python 3.11 to 3.14, and pip for python3 is ` +
        `needed. pip said: ${said}`,
      { cause: reason },
    );
  }
}

/** Runs a Python program of this folder to its end. */
export async function runLlamaPython(program: string, args: readonly string[]): Promise<void> {
  const { command, env } = await llamaPython();
  const path = join(import.meta.dirname, program);
  await run(command, [path, ...args], { env, timeout: pythonTimeoutMs });
}

/** Wheels fit one of them: `cpython-311`. */
async function pythonTag(): Promise<string> {
  const program = "import sys; print(sys.implementation.cache_tag)";
  return (await run("python3", ["-c", program], { timeout: pythonTimeoutMs })).stdout.trim();
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

if (process.argv[1] === import.meta.filename) {
  try {
    console.log((await llamaPython()).env["PYTHONPATH"]);
  } catch (reason) {
    if (!(reason instanceof LlamaUnavailable)) throw reason;
    console.error(reason.message);
    process.exitCode = 1;
  }
}
