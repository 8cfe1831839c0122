import { createLogger } from "../log.ts";
import type { KvApiPorts } from "./ports.ts";
import { createKvApi } from "./server.ts";

/** The OpenAPI document of the KV API, as `GET /v1/openapi.json` answers it; openapi.json is a copy. */
export async function describeKvApi(): Promise<object> {
  const log = createLogger({ level: "silent", sessionIds: "hash" });
  const ports = { bytes: { limits: {} } } as KvApiPorts; // no request is served
  const tokens = { admin: null, tenants: new Map<string, string>() };
  const answered = () => {};
  const server = await createKvApi(ports, { bodyLimitBytes: 1, tokens, log, answered });
  const description = server.swagger();
  await server.close();
  return description;
}
