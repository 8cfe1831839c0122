/**
 * The geometry key: the name of everything, besides tenant and tokens, that must be equal for one request to use the bytes of
 * another. It is a version byte and the SHA-256 of the whole model profile and the chain kind in canonical JSON, so any change
 * of any field starts an empty namespace. `docs/kv-chain.md` has the encoding and its test vectors.
 */
import { AppError } from "../../errors.ts";
import type { Digests } from "../digest.ts";
import { canonicalJson, type JsonObject, type JsonValue } from "./canonical-json.ts";
import { type MhaProfile, type MlaProfile, type ModelProfile, profileProblems } from "./profile.ts";

/**
 * What a chain is over. Equal text is not equal tokens, and two tokenizers need not agree, so no kind ever finds what another
 * stored:
 * `engine`: ids that were sent to the engine or that it reported;
 * `tokenizer`: ids that our own tokenizer computed;
 * `text`: bytes of text.
 */
export type ChainKind = "engine" | "tokenizer" | "text";

/** `GEOMETRY_KEY_BYTES` bytes; the first is the version of the encoding. */
export type GeometryKey = Uint8Array;

export const GEOMETRY_KEY_VERSION = 1;
export const GEOMETRY_KEY_BYTES = 33;

export interface Geometry {
  readonly profile: ModelProfile;
  readonly chainKind: ChainKind;
}

export function geometryKey(geometry: Geometry, digests: Digests): GeometryKey {
  return geometryKeyOf(geometryText(geometry), digests);
}

/** `text`: canonical JSON whose `kind` no other kind of geometry has. */
export function geometryKeyOf(text: string, digests: Digests): GeometryKey {
  const digest = digests.sha256(new TextEncoder().encode(text));
  const key = new Uint8Array(GEOMETRY_KEY_BYTES);
  key[0] = GEOMETRY_KEY_VERSION;
  key.set(digest, 1);
  return key;
}

/** What the key is the digest of. Throws for a profile with problems, two of which could look alike here. */
export function geometryText({ profile, chainKind }: Geometry): string {
  const problems = profileProblems(profile);
  const fields = profile.kind === "mha" ? mhaFields(profile) : mlaFields(profile);
  const text = canonicalJson({ ...fields, chainKind });
  if (problems.length > 0 || text === undefined) {
    throw new AppError("internal", `model profile: ${problems.join("; ")}`);
  }
  return text;
}

// Field by field, so that a property which is none of the profile's cannot change the key; a new field that is missing here is
// a type error.

function mhaFields(profile: MhaProfile): JsonObject {
  return {
    ...commonFields(profile),
    kvHeads: profile.kvHeads,
    headDim: profile.headDim,
  } satisfies Fields<MhaProfile>;
}

function mlaFields(profile: MlaProfile): JsonObject {
  return {
    ...commonFields(profile),
    loraRank: profile.loraRank,
    ropeDim: profile.ropeDim,
  } satisfies Fields<MlaProfile>;
}

type Fields<T> = { readonly [K in keyof T]: JsonValue };

function commonFields(
  profile: ModelProfile,
): Fields<Pick<MhaProfile, keyof MhaProfile & keyof MlaProfile>> {
  return {
    kind: profile.kind,
    id: profile.id,
    revision: profile.revision,
    weightVersion: profile.weightVersion,
    layers: profile.layers,
    dtype: profile.dtype,
    tensorParallel: profile.tensorParallel,
    rope: profile.rope,
    pageSize: profile.pageSize,
    loadThreshold: profile.loadThreshold,
    loraAdapter: profile.loraAdapter,
  };
}
