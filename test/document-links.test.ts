/** Links between the documents: each leads to a file, and to a heading in it, and every document of docs/ is in reach of the README. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const names = await readdir(join(root, "docs"), { recursive: true });
const paths = ["README.md", ...names.map((name) => join("docs", name))];
const documents = new Map(
  await Promise.all(
    paths
      .filter((path) => path.endsWith(".md"))
      .map(async (path) => [path, await readText(path)] as const),
  ),
);

interface Link {
  readonly from: string;
  /** As it is written. */
  readonly to: string;
  /** From the root. */
  readonly path: string;
  /** Empty for a whole file. */
  readonly heading: string;
}

const links = [...documents].flatMap(([from, text]) =>
  [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, to = ""]) => to)
    .filter((to) => !to.startsWith("https://"))
    .map((to) => linkOf(from, to)),
);

/** Without its blocks of code. */
async function readText(path: string): Promise<string> {
  return (await readFile(join(root, path), "utf8")).replaceAll(/^```[^]*?^```/gm, "");
}

function linkOf(from: string, to: string): Link {
  const [file = "", heading = ""] = to.split("#");
  return { from, to, path: file === "" ? from : join(dirname(from), file), heading };
}

/** The names of headings in links, as Markdown is shown on the web. */
function headingsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-"),
  );
}

it("every link of a document leads to a file or folder that is there", () => {
  expect(links.length).toBeGreaterThan(50);
  expect(links.filter(({ path }) => !existsSync(join(root, path)))).toEqual([]);
});

it("every link to a heading leads to one", () => {
  const toHeadings = links.filter(({ heading }) => heading !== "");
  expect(toHeadings.length).toBeGreaterThan(5);
  const isThere = ({ path, heading }: Link) =>
    headingsOf(documents.get(path) ?? "").includes(heading);
  expect(toHeadings.filter((link) => !isThere(link))).toEqual([]);
});

it("the README has a link to every document, or to its folder", () => {
  const reached = new Set(
    links.filter(({ from }) => from === "README.md").map(({ path }) => path.replace(/\/$/, "")),
  );
  const unreached = [...documents.keys()].filter(
    (path) => path !== "README.md" && !reached.has(path) && !reached.has(dirname(path)),
  );
  expect(unreached).toEqual([]);
});
