import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { PROBLEMS } from "../../src/http/problem.ts";
import { documentTables } from "../support/document-tables.ts";

it("docs/errors.md lists every problem with its status, when it comes and what to do, and no other", async () => {
  const text = await readFile(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const rows = documentTables(text)("problem", "status", "when", "what to do");
  expect(rows.map(([code, status]) => [code, Number(status)])).toEqual(
    Object.entries(PROBLEMS).map(([code, { status }]) => [code, status]),
  );
  expect(rows.filter(([, , when, advice]) => when === "" || advice === "")).toEqual([]);
});
