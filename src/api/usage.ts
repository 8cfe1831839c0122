import type { Api } from "./api.ts";
import type { Quota } from "../kv/holders.ts";
import type { KvApiPorts } from "./ports.ts";
import { tenantOf } from "./principal.ts";
import { problemAnswers } from "./schemas/problem.ts";
import { usageSchema } from "./schemas/session.ts";
import { noSuch } from "./refusals.ts";

export function addUsage(api: Api, { catalog, quotas }: KvApiPorts): void {
  api.get(
    "/v1/usage",
    {
      schema: {
        operationId: "getUsage",
        summary: "What the tenant has, and what it may have",
        tags: ["tenants"],
        response: { 200: usageSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const tenant = tenantOf(request);
      const quota = quotas.quota(tenant);
      if (quota === undefined) throw noSuch("tenant");
      const { bytes, sessions, pins } = await catalog.tenantUsage(tenant);
      return { tenant, bytes, sessions, pins, quota: quotaView(quota) };
    },
  );
}

function quotaView({ bytes, sessions, pins }: Quota) {
  return { bytes: bytes === Number.MAX_SAFE_INTEGER ? null : bytes, sessions, pins };
}
