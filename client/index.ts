/** A typed client of the session KV API: openapi-fetch over the types that are made from openapi.json. */
import createFetchClient, { type Client } from "openapi-fetch";

import type { paths } from "./schema.d.ts";

export interface ClientOptions {
  /** `http://127.0.0.1:9004`. */
  readonly url: string;
  readonly token?: string | undefined;
  /** For an admin's token, or where none is needed. */
  readonly tenant?: string | undefined;
}

export type KvClient = Client<paths>;

export function createClient({ url, token, tenant }: ClientOptions): KvClient {
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(tenant === undefined ? {} : { "x-moorline-tenant": tenant }),
  };
  return createFetchClient<paths>({ baseUrl: url, headers });
}
