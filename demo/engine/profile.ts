/** What an operator would write about these engines in Moorline's configuration, under `pools[].kv.profile`. */
import type { MhaProfile } from "../../src/kv/model/profile.ts";
import type { ModelShape } from "./model/shape.ts";
import type { EngineLimits } from "./serving/engine.ts";

/** What the engine itself gives as `served_model_name`, unless it is told another. */
export function modelName({ name }: ModelShape): string {
  return `demo-${name}`;
}

export function engineProfile(
  shape: ModelShape,
  { pageSize, loadThreshold }: Pick<EngineLimits, "pageSize" | "loadThreshold">,
): MhaProfile {
  return {
    kind: "mha",
    id: modelName(shape),
    revision: String(shape.seed),
    weightVersion: "default",
    layers: shape.layers,
    kvHeads: shape.kvHeads,
    headDim: shape.headDim,
    dtype: shape.dtype,
    tensorParallel: 1,
    rope: { rope_theta: shape.ropeTheta },
    pageSize,
    loadThreshold,
    loraAdapter: null,
  };
}
