/**
 * What is to be done about the copies of one segment. Pure.
 *
 * Reads go to the fastest tier that has a copy, so only copies there share them, and only those are counted against the rate; what
 * lies in slower tiers counts towards the minimum and the maximum.
 */
import { copiesOf, isFaster } from "../copies.ts";
import type { Tier } from "../location.ts";
import type { Replica, Segment } from "../records.ts";
import { type CopyRules, targetCopies } from "./target-copies.ts";

export interface CopiesSeen {
  readonly segment: Pick<Segment, "file" | "kvStart" | "replicas">;
  /** Undefined where no engine reads. */
  readonly tierOf: (location: string) => Tier | undefined;
  readonly readsPerSecond: number;
  /** Whether the rate was watched for long enough to be believed where it is low. */
  readonly isWarm: boolean;
  /** Nobody has read it for long. */
  readonly isIdle: boolean;
  /** Whether everybody who reads that copy reads another one as fast. */
  readonly isSpare: (copy: Replica) => boolean;
}

/** Why a copy is made: it is read more often than those that there are can bear, or there are to be so many of everything. */
export type MakeCause = "reads" | "minimum";
/** Why one goes: fewer bear what it is read, or nobody has read it for long and its room is wanted back. */
export type DropCause = "cooled" | "idle";

export type CopyChange =
  /** `within`: it is to be read there, so in this tier or a faster one; undefined: in any. */
  | { readonly kind: "make"; readonly cause: MakeCause; readonly within: Tier | undefined }
  | { readonly kind: "drop"; readonly cause: DropCause; readonly copy: Replica };

/** Undefined: all is as it should be. One copy at a time, and never the first, whose file has more in it than that. */
export function copyChange(seen: CopiesSeen, rules: CopyRules): CopyChange | undefined {
  const { segment, tierOf, readsPerSecond, isWarm, isIdle, isSpare } = seen;
  const tiers = copiesOf(segment).flatMap(({ location }) => tierOf(location) ?? []);
  const [first, ...others] = tiers;
  if (first === undefined) return undefined;
  const fastest = others.reduce((best, tier) => (isFaster(tier, best) ? tier : best), first);
  const near = tiers.filter((tier) => tier === fastest).length;
  const far = tiers.length - near;
  const target = targetCopies(readsPerSecond, near, {
    ...rules,
    min: Math.max(1, rules.min - far),
    max: Math.max(1, rules.max - far),
  });
  if (tiers.length < rules.min) return { kind: "make", cause: "minimum", within: undefined };
  if (near < target) return { kind: "make", cause: "reads", within: fastest };
  if (!isWarm) return undefined;
  const fast = segment.replicas.filter(({ location }) => tierOf(location) === fastest);
  const spare = near > target ? fast.findLast(isSpare) : undefined;
  if (spare !== undefined) return { kind: "drop", cause: "cooled", copy: spare };
  if (!isIdle || tiers.length <= rules.min) return undefined;
  const copy = fast.at(-1) ?? segment.replicas.findLast(isReadAt(tierOf));
  return copy && { kind: "drop", cause: "idle", copy };
}

function isReadAt(tierOf: CopiesSeen["tierOf"]): (copy: Replica) => boolean {
  return ({ location }) => tierOf(location) !== undefined;
}
