/**
 * The configuration file as YAML, before anything in it means something.
 */
import { readFile, stat } from "node:fs/promises";
import { LineCounter, parseDocument } from "yaml";
import { AppError } from "../errors.ts";
import { describeYamlError } from "../yaml-problem.ts";

export const CONFIG_FILE_LIMIT_BYTES = 1_048_576;

export type YamlDocument =
  | { readonly kind: "document"; readonly value: unknown }
  | { readonly kind: "unreadable"; readonly problems: readonly string[] };

/** Throws when the file cannot be read, is too large or is not UTF-8. */
export async function readDocument(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > CONFIG_FILE_LIMIT_BYTES) throw new AppError("config_invalid", sizeProblem(size));
  return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
}

/** Keys that come twice, and the first slip in the syntax, each with its place; what follows a slip is guesswork. */
export function parseYaml(text: string): YamlDocument {
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > CONFIG_FILE_LIMIT_BYTES) return unreadable([sizeProblem(sizeBytes)]);
  const lineCounter = new LineCounter();
  const yaml = parseDocument(text, { lineCounter, prettyErrors: false, logLevel: "error" });
  const found = [...yaml.errors, ...yaml.warnings].toSorted((a, b) => a.pos[0] - b.pos[0]);
  if (found.length > 0) {
    const slip = found.findIndex(({ code }) => code !== "DUPLICATE_KEY");
    const told = slip < 0 ? found : found.slice(0, slip + 1);
    return unreadable(told.map((each) => describeYamlError(each, lineCounter)));
  }
  try {
    // Aliases can make a small file a huge document: the parser throws when there are more than this many.
    return { kind: "document", value: yaml.toJS({ maxAliasCount: 100 }) };
  } catch (reason) {
    return unreadable([AppError.from(reason).message]);
  }
}

function unreadable(problems: readonly string[]): YamlDocument {
  return { kind: "unreadable", problems };
}

function sizeProblem(sizeBytes: number): string {
  return `file of ${sizeBytes} bytes must have <= ${CONFIG_FILE_LIMIT_BYTES} bytes`;
}
