/**
 * The files that a configuration names. They are taken from the document and not from the finished configuration, so that a
 * problem of another key does not hide one that is missing.
 */
import { access, constants, readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { edsPath } from "../endpoints/eds-file.ts";
import { describeFileFailure } from "../file-failure.ts";
import type { Role } from "../roles.ts";
import { filePath } from "./fields.ts";
import { formatPath, listAt, valueAt, type Path } from "./document-path.ts";
import { MIB } from "./units.ts";

/** As many as HMAC-SHA-256 makes full use of; and no more than a file of nothing but a secret has. */
export const SECRET_MIN_BYTES = 32;
export const SECRET_MAX_BYTES = 4096;

/** The largest tokenizers in use have some 35 MB. */
export const JSON_FILE_LIMIT_BYTES = 64 * MIB;

export interface NamedFile {
  /** `admin.tokenFile` */
  readonly key: string;
  /** Absolute. */
  readonly path: string;
  /**
   * `folder`: one in which files are made; `made`: a folder that is made where only the one around it is there; `secret`: a file
   * whose bytes are a key; `json`: a file of JSON.
   */
  readonly kind: "file" | "json" | "endpoints" | "folder" | "made" | "secret";
}

interface Named {
  readonly at: Path;
  readonly kind: NamedFile["kind"];
}

/** As far as their keys can be used. `folder` is that of the configuration file. */
export function namedFiles(document: unknown, folder: string): readonly NamedFile[] {
  const tlsFiles = (at: Path) =>
    ["certFile", "keyFile", "clientCaFile"].map(
      (key) => ({ at: [...at, key], kind: "file" }) as const,
    );
  const named: readonly Named[] = [
    ...tlsFiles(["extproc", "tls"]),
    { at: ["admin", "tokenFile"], kind: "file" },
    ...tlsFiles(["kv", "tls"]),
    { at: ["kv", "catalog", "path"], kind: "made" },
    { at: ["kv", "secretFile"], kind: "secret" },
    ...listAt(document, "kv", "locations").map(
      (_, index) => ({ at: ["kv", "locations", index, "root"], kind: "folder" }) as const,
    ),
    ...listAt(document, "pools").map(
      (_, index) => ({ at: ["pools", index, "endpointsFile"], kind: "endpoints" }) as const,
    ),
    ...listAt(document, "pools").flatMap((_, index) => tokenizerFiles(index)),
    ...listAt(document, "pools").map(
      (_, index) => ({ at: ["pools", index, "kv", "slots", "apiKeyFile"], kind: "file" }) as const,
    ),
  ];
  return [
    ...named.map(({ at, kind }) => ({
      key: formatPath(at),
      value: valueAt(document, ...at),
      kind,
    })),
    ...edsFolders(document).map((value) => ({
      key: "envoy.edsFile",
      value,
      kind: "folder" as const,
    })),
  ].flatMap(({ key, value, kind }) => {
    const { data } = filePath.safeParse(value);
    return data === undefined ? [] : [{ key, path: resolve(folder, data), kind }];
  });
}

function tokenizerFiles(pool: number): readonly Named[] {
  const at = ["pools", pool, "kv", "tokenizer"];
  return [
    { at: [...at, "file"], kind: "json" },
    { at: [...at, "config"], kind: "json" },
    { at: [...at, "template"], kind: "file" },
  ];
}

/** Of the half of the program that needs the file; undefined for what each process needs. */
export function roleOf({ key }: NamedFile): Role | undefined {
  if (key.startsWith("admin.")) return undefined;
  return key.startsWith("kv.") ? "kv" : "routing";
}

/** Each once, however many pools write there. */
function edsFolders(document: unknown): readonly string[] {
  const { data: template } = filePath.safeParse(valueAt(document, "envoy", "edsFile"));
  if (template === undefined) return [];
  const names = listAt(document, "pools").map((pool) => valueAt(pool, "name"));
  const paths = template.includes("{pool}")
    ? names.filter((name) => typeof name === "string").map((name) => edsPath(template, name))
    : [template];
  return [...new Set(paths.map((path) => dirname(path)))];
}

/** One line for each file that cannot be used as it should be; endpoints files are not looked at. */
export async function fileProblems(files: readonly NamedFile[]): Promise<string[]> {
  const problems = await Promise.all(
    files.map(async ({ key, path, kind }) => {
      const why = await WHY_UNUSABLE[kind](path);
      if (why === undefined) return [];
      const isWritten = kind === "folder" || kind === "made";
      return isWritten
        ? [`${key} cannot be written to ${path}: ${why}`]
        : [`${key} ${path} cannot be read: ${why}`];
    }),
  );
  return problems.flat();
}

const WHY_UNUSABLE: Readonly<
  Record<NamedFile["kind"], (path: string) => Promise<string | undefined>>
> = {
  file: whyUnreadable,
  json: whyNoJson,
  endpoints: () => Promise.resolve(undefined),
  folder: whyUnwritable,
  made: whyUnmakable,
  secret: whyNoSecret,
};

const NO_FOLDER = "no such folder";

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
    return isMissing ? NO_FOLDER : describeFileFailure(reason);
  }
}

async function whyUnmakable(folder: string): Promise<string | undefined> {
  const why = await whyUnwritable(folder);
  if (why !== NO_FOLDER) return why;
  const around = await whyUnwritable(dirname(folder));
  return around === undefined ? undefined : `${dirname(folder)}: ${around}`;
}

async function whyNoSecret(path: string): Promise<string | undefined> {
  const why = await whyUnreadable(path);
  if (why !== undefined) return why;
  const { size } = await stat(path);
  if (size >= SECRET_MIN_BYTES && size <= SECRET_MAX_BYTES) return undefined;
  return `its ${size} bytes must be ${SECRET_MIN_BYTES}..${SECRET_MAX_BYTES}`;
}

async function whyNoJson(path: string): Promise<string | undefined> {
  const why = await whyUnreadable(path);
  if (why !== undefined) return why;
  const { size } = await stat(path);
  if (size > JSON_FILE_LIMIT_BYTES) {
    return `its ${size} bytes must be at most ${JSON_FILE_LIMIT_BYTES}`;
  }
  try {
    JSON.parse(await readFile(path, "utf8"));
    return undefined;
  } catch (reason) {
    return reason instanceof SyntaxError ? "it is no JSON" : describeFileFailure(reason);
  }
}
