import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createDigests } from "../../../src/digests.ts";
import { Chain } from "../../../src/kv/chain/chain.ts";
import {
  type ChainFormat,
  chainStart,
  type GridPoint,
  PLAIN_START,
  TEXT_CHAIN,
  tokenChain,
} from "../../../src/kv/chain/chain-format.ts";
import { indexKey } from "../../../src/kv/chain/index-key.ts";
import { tokenBytes } from "../../../src/kv/chain/token-bytes.ts";
import { type ChainKind, geometryKey } from "../../../src/kv/model/geometry-key.ts";
import type { ModelProfile } from "../../../src/kv/model/profile.ts";
import {
  type SnapshotGeometry,
  snapshotGeometryKey,
} from "../../../src/kv/model/snapshot-geometry.ts";
import { documentTables } from "../../support/document-tables.ts";

const document = readFileSync(new URL("../../../docs/kv-chain.md", import.meta.url), "utf8");
const tableOf = documentTables(document);
const digests = createDigests();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const STARTS: Record<string, GridPoint> = {
  plain: PLAIN_START,
  salted: chainStart({ extraKey: "lora-a", cacheSalt: "größe" }, digests),
};

/** The profile that a heading `Profile NAME:` introduces. */
function profileOf(name: string): ModelProfile {
  const [, json] =
    new RegExp(`Profile ${name}:\\s+\`\`\`json\\n(.*?)\`\`\``, "s").exec(document) ?? [];
  return JSON.parse(json ?? "") as ModelProfile;
}

function chainOf(format: ChainFormat, start: string, units: Uint8Array): Chain {
  const chain = new Chain({ format, from: STARTS[start] as GridPoint, digests });
  chain.append(units);
  return chain;
}

function tokenChainOf(pageSize: number, start: string, count: number): Chain {
  const tokens = Array.from({ length: count }, (_, i) => Math.imul(i, 2_654_435_761) >>> 0);
  return chainOf(tokenChain(pageSize), start, tokenBytes(tokens));
}

function keyOf(profile: string, chainKind: string): Uint8Array {
  return geometryKey({ profile: profileOf(profile), chainKind: chainKind as ChainKind }, digests);
}

describe("the vectors of docs/kv-chain.md", () => {
  const starts = tableOf("extra key", "cache salt", "start");
  const tokens = tableOf("page size", "start", "tokens");
  const texts = tableOf("start", "bytes", "digest");
  const geometries = tableOf("profile", "chain kind", "geometry key");
  const snapshots = tableOf("model", "K", "V", "ftype", "build");
  const keys = tableOf("namespace key", "profile");

  it.each(starts)("extra key %s and cache salt %s start at %s", (extraKey, cacheSalt, start) => {
    const context = {
      extraKey: JSON.parse(extraKey ?? "") as string,
      cacheSalt: JSON.parse(cacheSalt ?? "") as string,
    };

    expect(hex(chainStart(context, digests).digest)).toBe(start);
  });

  it.each(tokens)("pages of %s, %s start, %s tokens: %s", (...row) => {
    const [pageSize, start = "", count, digest] = row;
    const chain = tokenChainOf(Number(pageSize), start, Number(count));

    expect(hex(chain.endAt(Number(count)).digest)).toBe(digest);
  });

  it.each(texts)("%s start, %s bytes of text: %s", (start, count, digest) => {
    const bytes = Uint8Array.from({ length: Number(count) }, (_, i) => i % 128);
    const chain = chainOf(TEXT_CHAIN, start ?? "", bytes);

    expect(hex(chain.endAt(Number(count)).digest)).toBe(digest);
  });

  it.each(geometries)("profile %s and %s have the geometry key %s", (profile, chainKind, key) => {
    expect(hex(keyOf(profile ?? "", chainKind ?? ""))).toBe(key);
  });

  it.each(snapshots)("snapshots of %s, %s, %s, %s, %s have the geometry key %s", (...row) => {
    const [model, cacheTypeK, cacheTypeV, ftype = "", build = "", key] = row;
    const [said, program] = [ftype, build].map((text) => JSON.parse(text) as string | null);
    const named = { model, cacheTypeK, cacheTypeV, ftype: said, build: program };

    expect(hex(snapshotGeometryKey(named as SnapshotGeometry, digests))).toBe(key);
  });

  it.each(keys)("namespace %s, profile %s, %s, %s tokens: index key %s", (...row) => {
    const [namespace = "", profile = "", chainKind = "", count, key] = row;
    const chain = tokenChainOf(profileOf(profile).pageSize, "plain", Number(count));
    const place = { geometry: keyOf(profile, chainKind), end: chain.endAt(Number(count)) };

    expect(hex(indexKey(Buffer.from(namespace, "hex"), place, digests))).toBe(key);
  });

  it("are all there", () => {
    const tables = [starts, tokens, texts, geometries, snapshots, keys];

    expect(tables.map(({ length }) => length)).toEqual([4, 16, 8, 6, 3, 3]);
  });
});
