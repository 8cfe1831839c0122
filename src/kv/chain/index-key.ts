import type { Digest, Digests } from "../digest.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import type { ChainEnd } from "./chain.ts";

/**
 * Who may find what: a tenant's key, or that of a shared prefix, which a plan consults as well. Secret, since a key that
 * is known lets its holder test which prompts are stored.
 */
export type NamespaceKey = Uint8Array;

/**
 * The key of a chain position in the index: 32 bytes that are equal only for equal namespace, geometry and chain. The two parts
 * of the message are of fixed length, so no other pair reads the same.
 */
export function indexKey(
  namespace: NamespaceKey,
  place: { readonly geometry: GeometryKey; readonly end: Pick<ChainEnd, "digest"> },
  digests: Digests,
): Digest {
  return digests.hmacSha256(namespace, place.geometry, place.end.digest);
}
