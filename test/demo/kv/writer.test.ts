import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { diskUse } from "../../../demo/kv/disk.ts";
import { tokenBytes } from "../../../demo/kv/settings.ts";
import { Writer } from "../../../demo/kv/writer.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-writer-"));
  await writeFile(join(folder, "a"), "");
  await truncate(join(folder, "a"), 100 * tokenBytes);
});
afterEach(() => rm(folder, { recursive: true }));

const segment = { token_start: 5, token_length: 2, kv_uri: "file:///a", kv_start: tokenBytes };

describe("the writer", () => {
  it("knows what it wrote, and takes no more of the disk than that", async () => {
    const writer = new Writer(folder);
    await writer.store([segment]);
    expect(await writer.loads([segment])).toBe(true);
    expect(await diskUse(folder)).toBe(2 * tokenBytes);
  });

  it("knows nothing that was changed since, by one bit of the last byte", async () => {
    const writer = new Writer(folder);
    await writer.store([segment]);
    const file = await open(join(folder, "a"), "r+");
    const last = Buffer.alloc(1);
    await file.read(last, 0, 1, 3 * tokenBytes - 1);
    last[0] = (last[0] ?? 0) ^ 1;
    await file.write(last, 0, 1, 3 * tokenBytes - 1);
    await file.close();
    expect(await writer.loads([segment])).toBe(false);
  });

  it("knows nothing that it did not write", async () => {
    const writer = new Writer(folder);
    await writer.store([segment]);
    expect(await writer.loads([segment, { ...segment, kv_start: 0 }])).toBe(false);
    expect(await writer.loads([{ ...segment, token_length: 1 }])).toBe(false);
  });

  it("makes no file that is not there", async () => {
    const store = new Writer(folder).store([{ ...segment, kv_uri: "file:///b" }]);
    await expect(store).rejects.toThrow("ENOENT");
  });
});
