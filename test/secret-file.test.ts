import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readOrMakeSecret } from "../src/secret-file.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-secret-"));
  path = join(folder, "made", "secret");
});
afterEach(async () => rm(folder, { recursive: true }));

describe("the secret file", () => {
  it("is made where there is none, for its owner alone, and stays as it is", async () => {
    const made = await readOrMakeSecret(path);
    expect(made).toHaveLength(32);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readOrMakeSecret(path)).toEqual(made);
  });

  it("is the same for all that start together", async () => {
    const secrets = await Promise.all(Array.from({ length: 20 }, () => readOrMakeSecret(path)));
    for (const secret of secrets) expect(secret).toEqual(await readFile(path));
  });

  it("is refused when it is too short, without being shown", async () => {
    path = join(folder, "short");
    await writeFile(path, "0123456789");
    const refused = readOrMakeSecret(path);
    await expect(refused).rejects.toMatchObject({ code: "config_invalid" });
    await expect(refused).rejects.toThrow(/of 10 bytes must hold 32 bytes or more$/);
  });

  it("is refused when it cannot be read", async () => {
    await expect(readOrMakeSecret(folder)).rejects.toThrow(/cannot be used/);
  });
});
