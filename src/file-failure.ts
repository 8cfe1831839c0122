import { AppError } from "./errors.ts";

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is not a folder",
};

/** Why a file cannot be used, in words that follow its path; the system's own text repeats the path and names the call. */
export function describeFileFailure(reason: unknown): string {
  const { code } = reason as NodeJS.ErrnoException;
  return (code === undefined ? undefined : WORDS[code]) ?? AppError.from(reason).message;
}
