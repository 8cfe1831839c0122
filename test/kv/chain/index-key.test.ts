import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createDigests } from "../../../src/digests.ts";
import { indexKey } from "../../../src/kv/chain/index-key.ts";
import { geometryKey } from "../../../src/kv/model/geometry-key.ts";
import { QWEN3_8B } from "../model/profiles.ts";

const digests = createDigests();
const tenant = new Uint8Array(32).fill(1);
const geometry = geometryKey({ profile: QWEN3_8B, chainKind: "engine" }, digests);
const end = { at: 64, digest: new Uint8Array(32).fill(2) };

describe("the index key", () => {
  it("is the HMAC of geometry key and chain digest under the namespace's key", () => {
    const expected = createHmac("sha256", tenant).update(geometry).update(end.digest).digest();

    expect(Buffer.from(indexKey(tenant, { geometry, end }, digests))).toEqual(expected);
  });

  it("differs for every namespace, geometry, chain kind and digest", () => {
    const other = {
      tenant: new Uint8Array(32).fill(3),
      geometry: geometryKey({ profile: { ...QWEN3_8B, layers: 35 }, chainKind: "engine" }, digests),
      kind: geometryKey({ profile: QWEN3_8B, chainKind: "tokenizer" }, digests),
      end: { at: 64, digest: new Uint8Array(32).fill(4) },
    };
    const keys = [
      indexKey(tenant, { geometry, end }, digests),
      indexKey(other.tenant, { geometry, end }, digests),
      indexKey(tenant, { geometry: other.geometry, end }, digests),
      indexKey(tenant, { geometry: other.kind, end }, digests),
      indexKey(tenant, { geometry, end: other.end }, digests),
    ].map((key) => Buffer.from(key).toString("hex"));

    expect(new Set(keys).size).toBe(5);
  });
});
