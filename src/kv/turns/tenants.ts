import type { Quota, Reader } from "../holders.ts";
import type { NamespaceKey } from "../chain/index-key.ts";

export interface Tenant {
  readonly key: NamespaceKey;
  readonly quota: Quota;
  readonly trusts: Reader["trusts"];
}

/** Owned by the turn desk; the configuration has the tenants. */
export interface Tenants {
  tenant(name: string): Tenant | undefined;
}
