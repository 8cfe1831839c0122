import { expect, it } from "vitest";

import { createDigests } from "../../../src/digests.ts";
import { geometryKey } from "../../../src/kv/model/geometry-key.ts";
import { layoutsByGeometry } from "../../../src/kv/model/layouts.ts";
import { layoutOf } from "../../../src/kv/model/layout.ts";
import { SMALL } from "../../support/small-model.ts";
import { QWEN3_8B } from "./profiles.ts";

it("finds the layout of each model's token chains, and none of text or of another model", () => {
  const digests = createDigests();
  const layoutAt = layoutsByGeometry([SMALL, QWEN3_8B], digests);
  const key = (profile: typeof SMALL, chainKind: "engine" | "tokenizer" | "text") =>
    geometryKey({ profile, chainKind }, digests);
  expect(layoutAt(key(SMALL, "engine"))).toEqual(layoutOf(SMALL));
  expect(layoutAt(key(QWEN3_8B, "tokenizer"))).toEqual(layoutOf(QWEN3_8B));
  expect(layoutAt(key(SMALL, "text"))).toBeUndefined();
  expect(layoutAt(key({ ...SMALL, layers: 2 }, "engine"))).toBeUndefined();
});
