import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readToken } from "../../src/admin/token.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-token-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(text: string): Promise<string> {
  const path = join(folder, "token");
  await writeFile(path, text);
  return path;
}

it.each([16, 512])("takes a token of %i characters, without the line end", async (length) => {
  expect(await readToken(await write(`${"t".repeat(length)}\n`))).toBe("t".repeat(length));
});

it.each(["t".repeat(15), "t".repeat(513), "two words of a token", "", "tökentökentökentöken"])(
  "refuses %j, without repeating it",
  async (token) => {
    const path = await write(token);
    const refusal = readToken(path);
    await expect(refusal).rejects.toMatchObject({
      code: "config_invalid",
      message: `admin.tokenFile ${path} of ${token.length} characters must hold 16..512 visible ASCII characters`,
    });
  },
);

it("names a file that is missing", async () => {
  const path = join(folder, "none");
  const message = `admin.tokenFile ${path} cannot be read: no such file`;
  await expect(readToken(path)).rejects.toThrow(message);
});
