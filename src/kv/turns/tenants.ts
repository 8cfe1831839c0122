import type { Quota } from "../holders.ts";
import type { NamespaceKey } from "../chain/index-key.ts";

export interface Tenant {
  readonly key: NamespaceKey;
  readonly quota: Quota;
}

/** Owned by the turn desk; the configuration has the tenants. */
export interface Tenants {
  tenant(name: string): Tenant | undefined;
}
