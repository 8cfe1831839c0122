/**
 * The model profile of a pool as the operator writes it. Limits are those of the KV core, which also has the rules between its
 * fields: whether heads divide, and what `rope` may hold.
 */
import * as z from "zod";
import type { JsonObject } from "../kv/model/canonical-json.ts";
import {
  DTYPE_BYTES,
  PROFILE_LIMITS,
  PROFILE_TEXT_LIMIT,
  profileProblems,
  type KvDtype,
  type ModelProfile,
} from "../kv/model/profile.ts";
import { integer, text } from "./fields.ts";

const name = text(
  `1..${PROFILE_TEXT_LIMIT} characters`,
  (value) => value.length >= 1 && value.length <= PROFILE_TEXT_LIMIT,
);

function count(field: keyof typeof PROFILE_LIMITS) {
  const [min, max] = PROFILE_LIMITS[field];
  return integer(min, max);
}

const identity = { id: name, revision: name, weightVersion: name.nullable().default(null) };

const rules = {
  dtype: z.enum(Object.keys(DTYPE_BYTES) as KvDtype[]),
  tensorParallel: count("tensorParallel").default(1),
  rope: z.record(z.string(), z.unknown()).default({}),
  pageSize: count("pageSize").default(1),
  loadThreshold: count("loadThreshold").default(256),
  loraAdapter: name.nullable().default(null),
};

const written = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("mha"),
    ...identity,
    layers: count("layers"),
    kvHeads: count("kvHeads"),
    headDim: count("headDim"),
    ...rules,
  }),
  z.strictObject({
    kind: z.literal("mla"),
    ...identity,
    layers: count("layers"),
    loraRank: count("loraRank"),
    ropeDim: count("ropeDim"),
    ...rules,
  }),
]);

/** What YAML holds besides JSON, numbers that are not finite, `profileProblems` refuses. */
function profileOf(profile: z.output<typeof written>): ModelProfile {
  const { revision, weightVersion, rope } = profile;
  return { ...profile, weightVersion: weightVersion ?? revision, rope: rope as JsonObject };
}

export const profileSchema = written.transform(profileOf).superRefine((profile, context) => {
  for (const message of profileProblems(profile)) context.addIssue({ code: "custom", message });
});
