/**
 * The bearer token of the admin API.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { AppError } from "../errors.ts";
import { describeFileFailure } from "../file-failure.ts";
import { bearerToken } from "../http/bearer.ts";

const TOKEN_MIN = 16;
const TOKEN_MAX = 512;

/** The file's text without the white space around it. Throws `config_invalid`, never with the token in it. */
export async function readToken(path: string): Promise<string> {
  let token: string;
  try {
    token = (await readFile(path, "utf8")).trim();
  } catch (cause) {
    const why = describeFileFailure(cause);
    throw new AppError("config_invalid", `admin.tokenFile ${path} cannot be read: ${why}`, {
      cause,
    });
  }
  if (token.length >= TOKEN_MIN && token.length <= TOKEN_MAX && /^[\x21-\x7e]+$/.test(token)) {
    return token;
  }
  throw new AppError(
    "config_invalid",
    `admin.tokenFile ${path} of ${token.length} characters must hold ${TOKEN_MIN}..${TOKEN_MAX} visible ASCII characters`,
  );
}

/** Compares digests, so that the time taken tells neither the token's content nor its length. */
export function createTokenCheck(token: string): (authorization: string | undefined) => boolean {
  const expected = digest(token);
  return (authorization) => {
    const given = bearerToken(authorization);
    return given !== undefined && timingSafeEqual(digest(given), expected);
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
