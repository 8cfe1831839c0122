import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { ADMIN_STATUS } from "../../src/admin/problem.ts";

it("docs/admin.md lists every error code with its status, and no other", async () => {
  const text = await readFile(new URL("../../docs/admin.md", import.meta.url), "utf8");
  const documented = [...text.matchAll(/^\| `(\w+)` +\| (\d+) +\|/gm)];
  expect(documented.map(([, code, status]) => [code, Number(status)])).toEqual(
    Object.entries(ADMIN_STATUS),
  );
});
