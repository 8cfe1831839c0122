/**
 * Who asks. The server's authentication hook sets it on every request; a route that takes signed URLs is also reached without one.
 */
import type { FastifyRequest } from "fastify";

import { ApiProblem } from "./problem.ts";

/** An admin names the tenant in this header; without it, it is the default tenant. */
export const TENANT_HEADER = "x-moorline-tenant";

/** Visible ASCII, as in a session's key; the default tenant is "". */
const TENANT = /^[\x21-\x7e]{0,256}$/;

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
  }
}

/** For whom the request acts. Throws `unauthorized` where nobody was authenticated. */
export function tenantOf({ principal, headers }: FastifyRequest): string {
  if (principal === undefined) throw new ApiProblem("unauthorized", "credentials are missing");
  if (principal.tenant !== undefined) return principal.tenant;
  const named = headers[TENANT_HEADER] ?? "";
  if (typeof named === "string" && TENANT.test(named)) return named;
  throw new ApiProblem(
    "request_invalid",
    `${TENANT_HEADER} must be up to 256 visible ASCII characters`,
  );
}
