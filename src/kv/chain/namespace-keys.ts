/**
 * The keys of all namespaces, from the one secret of the service: HMAC-SHA-256 of `tenant NUL name`, or of `prefix NUL tenant NUL
 * name`. Neither tenants nor names have a NUL, so no two namespaces have the same key. With another secret nothing that is stored
 * is found again.
 */
import type { Digests } from "../digest.ts";
import type { PrefixKey } from "../records.ts";
import type { NamespaceKey } from "./index-key.ts";

export class NamespaceKeys {
  readonly #secret: Uint8Array;
  readonly #digests: Digests;

  /** `secret`: 32 random bytes or more. */
  constructor(secret: Uint8Array, digests: Digests) {
    this.#secret = secret;
    this.#digests = digests;
  }

  tenant(name: string): NamespaceKey {
    return this.#keyOf(`tenant\0${name}`);
  }

  prefix({ tenant, name }: PrefixKey): NamespaceKey {
    return this.#keyOf(`prefix\0${tenant}\0${name}`);
  }

  #keyOf(text: string): NamespaceKey {
    return this.#digests.hmacSha256(this.#secret, new TextEncoder().encode(text));
  }
}
