/** Shared prefixes: the first tokens of a session, kept under a name and open to others. */
import * as z from "zod";

import { type FieldProblem, Problem } from "../http/problem.ts";
import type { Prefix } from "../kv/records.ts";
import type { Api } from "./api.ts";
import { cursorAfter, pageOf } from "./cursor.ts";
import type { KvApiPorts } from "./ports.ts";
import { tenantOf } from "./principal.ts";
import { noSuch, quotaExceeded, segmentsLimit } from "./refusals.ts";
import {
  createPrefixBody,
  prefixListQuery,
  prefixListSchema,
  prefixPath,
  prefixSchema,
} from "./schemas/prefix.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { SHOWN_PROBLEMS } from "./validation.ts";

const tags = ["prefixes"];

export function addPrefixes(api: Api, ports: KvApiPorts): void {
  const { catalog, nowMs } = ports;
  addCreate(api, ports);
  addList(api, ports);

  api.get(
    "/v1/prefixes/:name",
    {
      schema: {
        operationId: "getPrefix",
        summary: "A prefix of the tenant's own",
        tags,
        params: prefixPath,
        response: { 200: prefixSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const tenant = tenantOf(request);
      const prefix = await catalog.prefix({ tenant, name: request.params.name });
      if (prefix === undefined || (prefix.expiresAtMs ?? Infinity) <= nowMs())
        throw noSuch("prefix");
      return viewPrefix(prefix, tenant);
    },
  );

  api.delete(
    "/v1/prefixes/:name",
    {
      schema: {
        operationId: "removePrefix",
        summary: "Drops its references; sessions that list its segments keep them",
        tags,
        params: prefixPath,
        response: { 204: z.undefined().describe("It is gone"), ...problemAnswers },
      },
    },
    async (request, reply) => {
      const prefix = { tenant: tenantOf(request), name: request.params.name };
      if (!(await catalog.removePrefix(prefix, nowMs()))) throw noSuch("prefix");
      return reply.code(204).send();
    },
  );
}

function addList(api: Api, { catalog, reader, nowMs }: KvApiPorts): void {
  api.get(
    "/v1/prefixes",
    {
      schema: {
        operationId: "listPrefixes",
        summary: "Prefixes that the tenant's plans consult, or all of its own in pages",
        description:
          "Plans consult the tenant's own, oldest first, then those open to it of tenants that it trusts. The last page has no cursor.",
        tags,
        querystring: prefixListQuery,
        response: { 200: prefixListSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const tenant = tenantOf(request);
      const now = nowMs();
      const view = (prefix: Prefix) => viewPrefix(prefix, tenant);
      if (request.query.list !== "own") {
        const consulted = await catalog.prefixes(reader(tenant), now);
        return { prefixes: consulted.map(view), next_cursor: null };
      }
      const page = pageOf(request.query);
      const own = await catalog.ownPrefixes({ tenant, ...page, nowMs: now });
      const last = own.length < page.limit ? undefined : own.at(-1);
      return {
        prefixes: own.map(view),
        next_cursor: last === undefined ? null : cursorAfter(last.name),
      };
    },
  );
}

/** A name that nobody has opens the prefix to nobody: it is a slip, and is told. */
function assertConfigured(tenants: readonly string[], { quotas }: Pick<KvApiPorts, "quotas">) {
  const limit = "the name of a configured tenant";
  const unknown = tenants.flatMap((value, index): FieldProblem[] => {
    const field = `tenants[${index}]`;
    const message = `${field} must be ${limit}`;
    return quotas.quota(value) === undefined ? [{ field, value, limit, message }] : [];
  });
  if (unknown.length > 0) throw Problem.ofFields(unknown.slice(0, SHOWN_PROBLEMS));
}

function addCreate(api: Api, { sessions, quotas }: KvApiPorts): void {
  api.post(
    "/v1/prefixes",
    {
      schema: {
        operationId: "createPrefix",
        summary: "Keeps the first tokens of a session under a name; counts as a pin",
        tags,
        body: createPrefixBody,
        response: { 201: prefixSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { name, session, tokens = Infinity, everyone, tenants, ttl_ms: ttlMs } = request.body;
      const tenant = tenantOf(request);
      assertConfigured(tenants, { quotas });
      const outcome = await sessions.createPrefix({
        prefix: { tenant, name },
        session,
        tokens,
        to: everyone ? "everyone" : tenants,
        ttlMs,
      });
      if (outcome.kind === "created") {
        return reply.code(201).send(viewPrefix(outcome.prefix, tenant));
      }
      switch (outcome.reason) {
        case "unknown_tenant":
          throw noSuch("tenant");
        case "no_session":
          throw noSuch("session");
        case "no_segment":
          throw new Problem(
            "nothing_stored",
            "no durable segment of the session lies wholly in these tokens",
          );
        case "exists":
          throw new Problem("prefix_exists", "the tenant has a prefix of that name");
        case "quota_pins":
          throw quotaExceeded("pins");
        case "segments_limit":
          throw segmentsLimit("the prefix");
      }
    },
  );
}

/** Who else may read it is its owner's business. */
export function viewPrefix(
  { name, tenant, to, createdAtMs, expiresAtMs, segments }: Prefix,
  viewer: string,
) {
  return {
    name,
    tenant,
    everyone: to === "everyone",
    tenants: to === "everyone" || tenant !== viewer ? [] : [...to],
    created_at_ms: createdAtMs,
    expires_at_ms: expiresAtMs ?? null,
    segments,
  };
}
