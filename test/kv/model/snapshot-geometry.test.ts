import { expect, it } from "vitest";
import { createDigests } from "../../../src/digests.ts";
import { GEOMETRY_KEY_BYTES } from "../../../src/kv/model/geometry-key.ts";
import {
  type SnapshotGeometry,
  snapshotGeometryKey,
} from "../../../src/kv/model/snapshot-geometry.ts";

const digests = createDigests();
const GEOMETRY: SnapshotGeometry = {
  model: "sha256:00",
  cacheTypeK: "f16",
  cacheTypeV: "f16",
  ftype: "F16",
  build: "b11549-a1",
};

function keyOf(geometry: SnapshotGeometry): string {
  return Buffer.from(snapshotGeometryKey(geometry, digests)).toString("hex");
}

it("the geometry key of a snapshot changes with everything that it is of", () => {
  const others: readonly Partial<SnapshotGeometry>[] = [
    { model: "sha256:01" },
    { model: "id:00" },
    { cacheTypeK: "q8_0" },
    { cacheTypeV: "q8_0" },
    { ftype: "BF16" },
    { ftype: null },
    { ftype: "null" },
    { build: "b11550-a1" },
    { build: null },
    { ftype: "b11549-a1", build: "F16" },
  ];
  const keys = [{}, ...others].map((other) => keyOf({ ...GEOMETRY, ...other }));

  expect(new Set(keys).size).toBe(others.length + 1);
  expect(keys.every((key) => key.length === 2 * GEOMETRY_KEY_BYTES)).toBe(true);
});

it("the geometry key of a snapshot is that of no other property", () => {
  const more = { ...GEOMETRY, slots: 2 };

  expect(keyOf(more)).toBe(keyOf(GEOMETRY));
});

it("a model's name that is no text has no geometry key", () => {
  expect(() => keyOf({ ...GEOMETRY, model: "id:\ud800" })).toThrow("lone surrogate");
});
