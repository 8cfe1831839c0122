/**
 * Who asks. The server's hook sets it on every request; a route that takes signed URLs is also reached without one.
 *
 * Tokens are kept and compared as SHA-256. A tenant's is looked up by the digest of what was sent, so the time that it takes may
 * depend on how the digests begin, and on nothing else: who learned all of a digest by it still could not make a token of that
 * digest, and tokens that begin alike have digests that do not. The cost is one hash, however many tenants there are.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyRequest } from "fastify";

import { TENANT_LIMIT_BYTES } from "../affinity/session-key.ts";
import { bearerToken } from "../http/bearer.ts";
import { Problem } from "../http/problem.ts";

/** An admin names the tenant in this header; without it, it is the default tenant. */
export const TENANT_HEADER = "x-moorline-tenant";

const TENANT = new RegExp(`^[\\x21-\\x7e]{0,${TENANT_LIMIT_BYTES}}$`);

export interface Principal {
  /** Undefined for an admin, who may act for any. */
  readonly tenant: string | undefined;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Undefined only on a route that `allowsSignedUrl`. */
    principal: Principal | undefined;
  }
  interface FastifyContextConfig {
    /** The route checks a signature in the URL itself, so a request without credentials is let through to it. */
    readonly allowsSignedUrl?: boolean;
    /** Described only: of each status, the headers that the answer has besides the usual. */
    readonly answerHeaders?: Readonly<Record<number, Readonly<Record<string, string>>>>;
  }
}

export interface Tokens {
  /** Null: there is none. */
  readonly admin: string | null;
  /** Tenants by the SHA-256 of their tokens, in lower-case hex digits. */
  readonly tenants: ReadonlyMap<string, string>;
}

const ADMIN: Principal = { tenant: undefined };

/** Undefined for what is no token of anybody. Where there are none at all, everybody is an admin. */
export function createAuthentication(
  tokens: Tokens,
): (authorization: string | undefined) => Principal | undefined {
  const { admin, tenants } = tokens;
  if (admin === null && tenants.size === 0) return () => ADMIN;
  const adminDigest = admin === null ? undefined : sha256(admin);
  return (authorization) => {
    const token = bearerToken(authorization);
    if (token === undefined) return undefined;
    const digest = sha256(token);
    if (adminDigest !== undefined && timingSafeEqual(digest, adminDigest)) return ADMIN;
    const tenant = tenants.get(digest.toString("hex"));
    return tenant === undefined ? undefined : { tenant };
  };
}

/** For whom the request acts. Throws `unauthorized` where nobody was authenticated. */
export function tenantOf({ principal, headers }: FastifyRequest): string {
  if (principal === undefined) throw unauthorized();
  const named = headers[TENANT_HEADER];
  if (named === undefined) return principal.tenant ?? "";
  if (typeof named !== "string" || !TENANT.test(named)) throw invalidTenant(named);
  if (principal.tenant === undefined || principal.tenant === named) return named;
  throw new Problem("tenant_forbidden", `${TENANT_HEADER} may name the token's own tenant alone`);
}

export function unauthorized(): Problem {
  return new Problem("unauthorized", "a valid bearer token is required", {
    "www-authenticate": "Bearer",
  });
}

function invalidTenant(named: string | readonly string[]): Problem {
  const field = `header.${TENANT_HEADER}`;
  const limit = `at most ${TENANT_LIMIT_BYTES} visible ASCII characters, given once`;
  const value = String(named).slice(0, 64);
  return Problem.ofFields([{ field, value, limit, message: `${field} must be ${limit}` }]);
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
