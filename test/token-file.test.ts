import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readTokenFile } from "../src/token-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-token-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(text: string) {
  const path = join(folder, "key");
  await writeFile(path, text);
  return readTokenFile({ key: "a.key", path, min: 2 });
}

it("is a token of as few characters as it may have, without the white space around it", async () => {
  expect(await read("\n sk \n")).toBe("sk");
});

it.each(["s", "", "two keys", "one\ntwo"])("is not %j, which is not repeated", async (text) => {
  const limits = `of ${text.length} characters must hold 2..512 visible ASCII characters`;
  const message = `a.key ${join(folder, "key")} ${limits}`;
  await expect(read(text)).rejects.toMatchObject({ code: "config_invalid", message });
});
