import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ModelFiles } from "../../../src/kv/slots/model-files.ts";
import { hashInThread } from "../../../src/kv/slots/model-hash.ts";
import { patterned } from "../../support/bytes.ts";

let folder: string;
let models: ModelFiles;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-models-"));
  models = new ModelFiles(hashInThread);
});
afterEach(async () => {
  await models.close();
  await rm(folder, { recursive: true });
});

function sha256(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

async function write(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

describe("the digest of a model", () => {
  it("is that of its file, of more than one chunk", async () => {
    const bytes = patterned(9_000_001);
    const path = await write("model.gguf", bytes);

    expect(await models.digest(path)).toBe(sha256(bytes));
  });

  it("is that of all its parts, where a server was given the first", async () => {
    const parts = [patterned(1000), patterned(2000), patterned(3)];
    const paths = await Promise.all(
      parts.map((bytes, at) => write(`m-0000${at + 1}-of-00003.gguf`, bytes)),
    );
    const [first = ""] = paths;

    expect(await models.digest(first)).toBe(sha256(...parts));
    await rm(paths[1] ?? "");
    expect(await models.digest(first)).toBeUndefined();
  });

  it("is that of the file that a link leads to, as in a hub's cache", async () => {
    const blob = await write("blob", "weights");
    const link = join(folder, "model.gguf");
    await symlink(blob, link);

    expect(await models.digest(link)).toBe(sha256(Buffer.from("weights")));
  });

  it("is read once, as long as the file looks the same", async () => {
    const path = await write("model.gguf", "weights");
    const at = new Date(1_000_000_000_000);
    await utimes(path, at, at);
    const digests = await Promise.all([models.digest(path), models.digest(path)]);
    await writeFile(path, "WEIGHTS");
    await utimes(path, at, at);

    expect([...digests, await models.digest(path)]).toEqual(
      Array.from({ length: 3 }, () => sha256(Buffer.from("weights"))),
    );
  });

  it.each(["time", "size", "inode"])("is read again where it has another %s", async (what) => {
    const path = await write("model.gguf", "weights");
    const { mtime } = await stat(path);
    await models.digest(path);
    const other = what === "size" ? "weights!" : "WEIGHTS";
    const replaced = await write("other", other);
    if (what === "inode") await rename(replaced, path);
    else await writeFile(path, other);
    const time = what === "time" ? new Date(1_000_000_000_000) : mtime;
    await utimes(path, time, time);

    expect(await models.digest(path)).toBe(sha256(Buffer.from(other)));
  });

  it("is none of what is no file, or is nowhere", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const missing = join(folder, "missing.gguf");

    for (const path of [folder, pipe, missing, "/dev/zero", "model.gguf", "", "/a\0b"]) {
      expect([path, await models.digest(path)]).toEqual([path, undefined]);
    }
  });

  it("is none of a file that changes while it is read, and is read again", async () => {
    const path = await write("model.gguf", "weights");
    let changes = 1;
    const changing = new ModelFiles(async (paths, signal) => {
      const digest = await hashInThread(paths, signal);
      if (changes-- > 0) await writeFile(path, "other weights");
      return digest;
    });

    expect(await changing.digest(path)).toBeUndefined();
    expect(await changing.digest(path)).toBe(sha256(Buffer.from("other weights")));
  });

  it("is read of one model at a time", async () => {
    let [reading, most] = [0, 0];
    const counting = new ModelFiles(async (paths, signal) => {
      most = Math.max(most, ++reading);
      const digest = await hashInThread(paths, signal);
      reading--;
      return digest;
    });
    const paths = await Promise.all(["a", "b", "c"].map((name) => write(name, name)));
    await Promise.all(paths.map((path) => counting.digest(path)));

    expect(most).toBe(1);
  });

  it("is given up when nobody wants it any more", async () => {
    const path = await write("model.gguf", patterned(64_000_000));
    const digest = models.digest(path);
    await models.close();
    await models.close();

    expect(await digest).toBeUndefined();
    expect(await models.digest(path)).toBeUndefined();
  });

  it("does not hold anybody up", async () => {
    const path = await write("model.gguf", patterned(64_000_000));
    let turns = 0;
    let isOver = false;
    const digest = models.digest(path).finally(() => (isOver = true));
    while (!isOver) {
      turns++;
      await new Promise(setImmediate);
    }

    expect(await digest).toBeDefined();
    expect(turns).toBeGreaterThan(100);
  });
});
