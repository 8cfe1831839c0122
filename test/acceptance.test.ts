/** docs/acceptance.md against the test names: every case has its row, and every row is true. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");

/** How many cases each list has. */
const lists = { A: 21, B: 22, C: 27, L: 16, H: 14, R: 10, D: 5, T: 8, S: 5 };

const ids = Object.entries(lists).flatMap(([list, count]) =>
  Array.from({ length: count }, (_, index) => `${list}${index + 1}`),
);

interface Row {
  readonly id: string;
  /** Of the tests that show it; empty where the case does not apply. */
  readonly files: readonly string[];
  readonly reason: string | undefined;
}

const page = await readFile(join(root, "docs/acceptance.md"), "utf8");
const rows = page.split("\n").flatMap(parseRow);
const tags = await readTags();

function parseRow(line: string): readonly Row[] {
  const [, id = "", , shownBy = ""] = line.split("|").map((cell) => cell.trim());
  if (!/^[A-Z]\d+$/.test(id)) return [];
  const reason = /^Does not apply: (.+\.)$/.exec(shownBy)?.[1];
  return [{ id, files: reason === undefined ? pathsIn(shownBy) : [], reason }];
}

function pathsIn(text: string): readonly string[] {
  return [...text.matchAll(/`(test\/[^`]+\.ts)`/g)].map(([, path = ""]) => path);
}

/** The ids at the end of test names (or of a row's label in a table of tests), by file. */
async function readTags(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const names = await readdir(join(root, "test"), { recursive: true });
  const files = names.filter((name) => name.endsWith(".ts")).map((name) => join("test", name));
  const found = files.map(async (file) => {
    const source = await readFile(join(root, file), "utf8");
    const endings = source.matchAll(/((?: \[[A-Z]\d+\])+)["`]/g);
    return [file, new Set([...endings].flatMap(([ending]) => ending.match(/[A-Z]\d+/g)))] as const;
  });
  return new Map((await Promise.all(found)) as (readonly [string, Set<string>])[]);
}

it("docs/acceptance.md has a row for every case, in order, and no other", () => {
  expect(rows.map(({ id }) => id)).toEqual(ids);
});

it("docs/acceptance.md names for every case the tests that show it, or says why it does not apply", () => {
  const empty = rows.filter(({ files, reason }) => files.length === 0 && reason === undefined);
  expect(empty).toEqual([]);
});

it("docs/acceptance.md names no test for a case whose id is not at the end of a test name there", () => {
  const missing = rows.flatMap(({ id, files }) =>
    files.filter((file) => tags.get(file)?.has(id) !== true).map((file) => `${id} in ${file}`),
  );
  expect(missing).toEqual([]);
});

it("docs/acceptance.md knows every test that carries the id of a case", () => {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const unknown = [...tags].flatMap(([file, carried]) =>
    [...carried]
      .filter((id) => Object.keys(lists).includes(id.charAt(0)))
      .filter((id) => byId.get(id)?.files.includes(file) !== true)
      .map((id) => `${id} in ${file}`),
  );
  expect(unknown).toEqual([]);
});

it("docs/acceptance.md names only files that are there", () => {
  expect(pathsIn(page).filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
