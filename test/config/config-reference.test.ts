import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { endpointLimits } from "../../src/endpoints/spec.ts";
import { parseConfig } from "../../src/config/config.ts";
import { documentTables } from "../support/document-tables.ts";
import { kvText } from "../support/kv-config.ts";
import { schemaRows } from "./schema-rows.ts";

const text = await readFile(new URL("../../docs/config.md", import.meta.url), "utf8");

interface Row {
  readonly key: string;
  readonly default: string;
  readonly limit: string;
  readonly meaning: string;
}

/** The rows of all tables with this heading in their first column. */
function documentedRows(heading: string): Row[] {
  const tables = text.split("\n\n").filter((block) => block.startsWith(`| ${heading} `));
  return tables
    .flatMap((table) => table.split("\n").filter((line) => line.startsWith("| `")))
    .map((line) => {
      const [, key = "", preset = "", limit = "", meaning = ""] = line
        .split("|")
        .map((cell) => cell.trim());
      return { key: key.replaceAll("`", ""), default: preset, limit, meaning };
    });
}

it("docs/config.md lists every key with its default and limit, and no other", () => {
  const documented = documentedRows("key");
  expect(
    documented.map(({ key, default: preset, limit }) => ({ key, default: preset, limit })),
  ).toEqual(schemaRows());
});

it("docs/config.md says what every key means", () => {
  expect(documentedRows("key").filter(({ meaning }) => meaning.length < 10)).toEqual([]);
});

it("docs/config.md has the retention classes that there are by default", () => {
  const config = parseConfig(kvText({}), { path: "/etc/moorline.yaml" });
  const rows = config.kv?.retention.classes.map((each) => [
    each.name,
    ...[each.ttlMs, each.maxAgeMs, each.priority, each.pinLimitMs].map(String),
    each.admission,
  ]);
  expect(documentTables(text)("class", "ttlMs", "maxAgeMs")).toEqual(rows);
});

it("docs/config.md has the limits of endpoint items", () => {
  const { idLength, weight, labels, labelLength } = endpointLimits;
  expect(documentedRows("item key").map(({ key, limit }) => [key, limit])).toEqual([
    ["address", "`ip:port`, unique in the pool"],
    ["id", `1..${idLength} visible ASCII characters, unique in the pool`],
    ["weight", `${-weight}..${weight}`],
    [
      "labels",
      `0..${labels} texts of at most ${labelLength} characters, names of 1..${labelLength}`,
    ],
    ["draining", "true, false"],
  ]);
});
