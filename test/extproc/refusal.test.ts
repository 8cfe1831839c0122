import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { refusalStatuses } from "../../src/extproc/refusal.ts";

describe("docs/errors.md", () => {
  it("lists every refusal with its status, and nothing else", () => {
    const text = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
    const rows = [...text.matchAll(/^\| `(\w+)` +\| (\d{3}) +\|/gm)].map(([, code, status]) => [
      code,
      Number(status),
    ]);
    expect(Object.fromEntries(rows)).toEqual(refusalStatuses);
  });
});
