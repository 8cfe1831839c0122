/** Files that hold a bearer token, and nothing else but white space around it. */
import { readFile } from "node:fs/promises";
import { AppError } from "./errors.ts";
import { describeFileFailure } from "./file-failure.ts";

export interface TokenFile {
  /** Of the configuration: `admin.tokenFile`. */
  readonly key: string;
  readonly path: string;
  /** Characters of the token, at least. */
  readonly min: number;
}

export const TOKEN_MAX = 512;

/** Throws `config_invalid`, never with the token in it. */
export async function readTokenFile({ key, path, min }: TokenFile): Promise<string> {
  let token: string;
  try {
    token = (await readFile(path, "utf8")).trim();
  } catch (cause) {
    const why = describeFileFailure(cause);
    throw new AppError("config_invalid", `${key} ${path} cannot be read: ${why}`, { cause });
  }
  if (token.length >= min && token.length <= TOKEN_MAX && /^[\x21-\x7e]+$/.test(token))
    return token;
  throw new AppError(
    "config_invalid",
    `${key} ${path} of ${token.length} characters must hold ${min}..${TOKEN_MAX} visible ASCII characters`,
  );
}
