/** The model that the llama-servers of the demo and the tests run: the file that MOORLINE_GGUF names, else one of random weights. */
import { createHash } from "node:crypto";
import { access, mkdir, readFile, rename } from "node:fs/promises";
import { join, resolve } from "node:path";
import { runLlamaPython } from "./fetch.ts";

const program = "make-model.py";
const cacheFolder = resolve(import.meta.dirname, "..", "..", ".cache", "llama");

export interface RandomModel {
  readonly seed?: number;
  readonly layers?: number;
  /** A multiple of 128. */
  readonly width?: number;
}

/** KV of it is 1 KiB a token. */
export const TINY_MODEL: RandomModel = { seed: 1, layers: 4, width: 128 };
/** The same shape, other weights. */
export const OTHER_MODEL: RandomModel = { ...TINY_MODEL, seed: 2 };
/** KV of it is 4 KiB a token. It computes long enough for people to see that it does. */
export const DEMO_MODEL: RandomModel = { seed: 1, layers: 8, width: 256 };
/** KV of it is 8 KiB a token: what is saved of a long prompt has tens of MB. */
export const LARGER_MODEL: RandomModel = { seed: 1, layers: 8, width: 512 };

/** Keys and values of 8 layers and 4 heads of 64, in 2 bytes each. What is saved of a slot has a little more. */
export const LARGER_TOKEN_BYTES = 2 * 8 * 4 * 64 * 2;

/** Of MOORLINE_GGUF, where it is set, whatever else is asked for. */
export async function modelFile(model: RandomModel): Promise<string> {
  const named = process.env["MOORLINE_GGUF"];
  return named === undefined || named === "" ? randomModelFile(model) : resolve(named);
}

/** Written once, and kept as long as the program that writes it is the same. */
export async function randomModelFile(model: RandomModel): Promise<string> {
  const args = Object.entries(model).map(([name, value]) => `--${name}=${value}`);
  const source = await readFile(join(import.meta.dirname, program));
  const digest = createHash("sha256").update(source).update(args.join(" ")).digest("hex");
  const path = join(cacheFolder, `random-${digest.slice(0, 16)}.gguf`);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return path;
  await mkdir(cacheFolder, { recursive: true });
  const staged = `${path}.${process.pid}`;
  await runLlamaPython(program, [...args, `--out=${staged}`]);
  await rename(staged, path);
  return path;
}
