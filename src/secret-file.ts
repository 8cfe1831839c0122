/** A secret that the program keeps for itself: random bytes in a file that nobody else may read. */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError } from "./errors.ts";
import { describeFileFailure } from "./file-failure.ts";

const SECRET_BYTES = 32;
const OWNER_ONLY = 0o600;

/**
 * What the file holds, at least 32 bytes; a file that is not there is made, synced, under its name all at once, so that of two
 * processes that start together both get the same. Throws `config_invalid` for one that cannot be used, never with what is in it.
 */
export async function readOrMakeSecret(path: string): Promise<Uint8Array> {
  try {
    return await readSecret(path);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw unusable(path, cause);
  }
  try {
    await makeSecret(path);
    return await readSecret(path);
  } catch (cause) {
    throw cause instanceof AppError ? cause : unusable(path, cause);
  }
}

async function readSecret(path: string): Promise<Uint8Array> {
  const secret = await readFile(path);
  if (secret.length >= SECRET_BYTES) return secret;
  const rule = `must hold ${SECRET_BYTES} bytes or more`;
  throw new AppError("config_invalid", `secret file ${path} of ${secret.length} bytes ${rule}`);
}

async function makeSecret(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomBytes(8).toString("hex")}`;
  const file = await open(draft, "wx", OWNER_ONLY);
  try {
    await file.writeFile(randomBytes(SECRET_BYTES));
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(draft, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
  } finally {
    await rm(draft);
  }
  await syncFolder(dirname(path));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  await folder.sync();
  await folder.close();
}

function unusable(path: string, cause: unknown): AppError {
  const why = describeFileFailure(cause);
  return new AppError("config_invalid", `secret file ${path} cannot be used: ${why}`, { cause });
}
