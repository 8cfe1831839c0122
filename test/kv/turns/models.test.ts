import { expect, it } from "vitest";

import { createDigests } from "../../../src/digests.ts";
import { geometryKey } from "../../../src/kv/model/geometry-key.ts";
import type { ModelProfile } from "../../../src/kv/model/profile.ts";
import { Models } from "../../../src/kv/turns/models.ts";
import { DEEPSEEK_V3, QWEN3_8B } from "../model/profiles.ts";

const digests = createDigests();

function modelsOf(profile: () => ModelProfile): Models {
  return new Models({ profile: (name) => (name === "m" ? profile() : undefined) }, digests);
}

it("works a model out once for each profile, and anew when its profile has changed", () => {
  let profile: ModelProfile = QWEN3_8B;
  const models = modelsOf(() => profile);
  const before = models.lookup("m");
  expect(models.lookup("m")).toBe(before);
  profile = { ...QWEN3_8B, weightVersion: "2" };
  expect(models.lookup("m")?.geometry("engine")).not.toEqual(before?.geometry("engine"));
});

it("has the chain's grid, the layout and the geometry key of the profile", () => {
  const profile = { ...DEEPSEEK_V3, pageSize: 96 };
  const model = modelsOf(() => profile).lookup("m");
  expect(model).toMatchObject({
    chainFormat: { stepUnits: 96 },
    layout: { bytesPerToken: 70_272 },
    rules: { pageSize: 96, loadThreshold: 256 },
  });
  for (const chainKind of ["engine", "tokenizer"] as const) {
    expect(model?.geometry(chainKind)).toEqual(geometryKey({ profile, chainKind }, digests));
  }
});

it("knows no model that is not configured", () => {
  expect(modelsOf(() => QWEN3_8B).lookup("other")).toBeUndefined();
});
