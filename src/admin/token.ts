/**
 * The bearer token of the admin API.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { bearerToken } from "../http/bearer.ts";
import { readTokenFile } from "../token-file.ts";

const TOKEN_MIN = 16;

/** Throws `config_invalid`, never with the token in it. */
export function readToken(path: string): Promise<string> {
  return readTokenFile({ key: "admin.tokenFile", path, min: TOKEN_MIN });
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
