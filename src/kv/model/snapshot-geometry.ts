/**
 * The geometry key of a snapshot, which is an engine's own file: everything but tenant and prompt that must be equal for one engine to restore what another has saved. An engine that restores one
 * checks the shapes in it and no weights, so the weights are named here. `docs/kv-chain.md` has the encoding and its test vectors.
 */
import { AppError } from "../../errors.ts";
import type { CacheType } from "./cache-types.ts";
import type { Digests } from "../digest.ts";
import { canonicalJson } from "./canonical-json.ts";
import { geometryKeyOf, type GeometryKey } from "./geometry-key.ts";

/** `sha256:` and the digest of the model's file in small hexadecimal digits, or `id:` and a name that people have given it. */
export type ModelIdentity = `sha256:${string}` | `id:${string}`;

export interface SnapshotGeometry {
  readonly model: ModelIdentity;
  /** As the engine was told: `f16`, `q8_0`. */
  readonly cacheTypeK: CacheType;
  readonly cacheTypeV: CacheType;
  /** Of the weights, as the engine says; null where it does not. */
  readonly ftype: string | null;
  /** Of the engine, as it says: another one may compute KV in another way, and takes a file of this one without a word. Null where it does not. */
  readonly build: string | null;
}

export function snapshotGeometryKey(geometry: SnapshotGeometry, digests: Digests): GeometryKey {
  return geometryKeyOf(snapshotGeometryText(geometry), digests);
}

/** What the key is the digest of. Snapshots are found by text. */
export function snapshotGeometryText(geometry: SnapshotGeometry): string {
  const { model, cacheTypeK, cacheTypeV, ftype, build } = geometry;
  const fields = {
    kind: "snapshot",
    model,
    cacheTypeK,
    cacheTypeV,
    ftype,
    build,
    chainKind: "text",
  };
  const text = canonicalJson(fields);
  if (text === undefined) throw new AppError("internal", "snapshot geometry: a lone surrogate");
  return text;
}
