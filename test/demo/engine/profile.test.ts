import { expect, it } from "vitest";
import { kvBytesPerToken } from "../../../demo/engine/model/kv-cache.ts";
import { SHAPES } from "../../../demo/engine/model/shape.ts";
import { engineProfile } from "../../../demo/engine/profile.ts";
import { profileDifferences } from "../../../src/kv/engines/engine-profile.ts";
import { layoutOf } from "../../../src/kv/model/layout.ts";
import { startComputingEngine } from "../../support/computing-engine.ts";

it.each(Object.values(SHAPES))(
  "the profile of $name has the bytes of a token that its engine stores",
  (shape) => {
    const layout = layoutOf(engineProfile(shape, { pageSize: 16, loadThreshold: 64 }));
    expect(layout.bytesPerToken).toBe(kvBytesPerToken(shape));
    expect(layout.planes).toBe(2 * shape.layers);
  },
);

it("the profile is what an engine says of itself, and no other page size is", async () => {
  const limits = { pageSize: 16, loadThreshold: 64 };
  await using engine = await startComputingEngine({ limits });
  const said = (await (await fetch(`${engine.url}/get_server_info`)).json()) as object;
  const profile = engineProfile(SHAPES.tiny, limits);
  expect(profileDifferences({ ...said }, profile)).toEqual([]);
  const other = { ...profile, pageSize: 64 };
  expect(profileDifferences({ ...said }, other)).toEqual(["page_size 16, not 64"]);
});
