/**
 * The files that a configuration names. They are taken from the document and not from the finished configuration, so that a
 * problem of another key does not hide one that is missing.
 */
import { access, constants, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { edsPath } from "../endpoints/eds-file.ts";
import { describeFileFailure } from "../file-failure.ts";
import { filePath } from "./fields.ts";
import { valueAt, type Path } from "./rules.ts";

export interface NamedFile {
  /** `admin.tokenFile` */
  readonly key: string;
  /** Absolute. */
  readonly path: string;
  /** `folder`: the one in which a file is written anew. */
  readonly kind: "file" | "endpoints" | "folder";
}

/** As far as their keys can be used. `folder` is that of the configuration file. */
export function namedFiles(document: unknown, folder: string): readonly NamedFile[] {
  const single: readonly Path[] = [
    ["extproc", "tls", "certFile"],
    ["extproc", "tls", "keyFile"],
    ["extproc", "tls", "clientCaFile"],
    ["admin", "tokenFile"],
  ];
  const pools = valueAt(document, "pools");
  const lists = (Array.isArray(pools) ? pools : []).map((pool, index) => ({
    key: `pools[${index}].endpointsFile`,
    value: valueAt(pool, "endpointsFile"),
    kind: "endpoints" as const,
  }));
  return [
    ...single.map((path) => ({
      key: path.join("."),
      value: valueAt(document, ...path),
      kind: "file" as const,
    })),
    ...edsFolders(document).map((value) => ({
      key: "envoy.edsFile",
      value,
      kind: "folder" as const,
    })),
    ...lists,
  ].flatMap(({ key, value, kind }) => {
    const { data } = filePath.safeParse(value);
    return data === undefined ? [] : [{ key, path: resolve(folder, data), kind }];
  });
}

/** Each once, however many pools write there. */
function edsFolders(document: unknown): readonly string[] {
  const { data: template } = filePath.safeParse(valueAt(document, "envoy", "edsFile"));
  if (template === undefined) return [];
  const pools = valueAt(document, "pools");
  const names = (Array.isArray(pools) ? pools : []).map((pool) => valueAt(pool, "name"));
  const paths = template.includes("{pool}")
    ? names.filter((name) => typeof name === "string").map((name) => edsPath(template, name))
    : [template];
  return [...new Set(paths.map((path) => dirname(path)))];
}

/** One line for each file that cannot be read and each folder that cannot be written to; endpoints files are not looked at. */
export async function fileProblems(files: readonly NamedFile[]): Promise<string[]> {
  const problems = await Promise.all(
    files.map(async ({ key, path, kind }) => {
      if (kind === "endpoints") return [];
      const why = await (kind === "file" ? whyUnreadable(path) : whyUnwritable(path));
      if (why === undefined) return [];
      return kind === "file"
        ? [`${key} ${path} cannot be read: ${why}`]
        : [`${key} cannot be written to ${path}: ${why}`];
    }),
  );
  return problems.flat();
}

async function whyUnreadable(path: string): Promise<string | undefined> {
  try {
    if ((await stat(path)).isDirectory()) return "it is a folder";
    await access(path, constants.R_OK);
    return undefined;
  } catch (reason) {
    return describeFileFailure(reason);
  }
}

async function whyUnwritable(folder: string): Promise<string | undefined> {
  try {
    if (!(await stat(folder)).isDirectory()) return "it is not a folder";
    await access(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (reason) {
    const isMissing = (reason as NodeJS.ErrnoException).code === "ENOENT";
    return isMissing ? "no such folder" : describeFileFailure(reason);
  }
}
