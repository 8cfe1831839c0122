/** Where the text of a prompt is in the index, and how far it goes along with others. */
import { TEXT_CHAIN } from "../chain/chain-format.ts";
import type { NamespaceKeys } from "../chain/namespace-keys.ts";
import type { NamespaceKey } from "../chain/index-key.ts";
import type { Clock, Scheduler } from "../../clock.ts";
import type { Digests } from "../digest.ts";
import type { GeometryKey } from "../model/geometry-key.ts";
import { type Prefix, SNAPSHOT_POINT_BYTES, type SnapshotText } from "../records.ts";
import type { SnapshotPromptView } from "../snapshot-rules.ts";
import { PromptIndex } from "../turns/prompt-index.ts";
import { SequenceChain } from "../turns/token-sequence.ts";
import { appendTextUnhurried } from "../turns/unhurried.ts";
import type { SnapshotPrompt } from "./snapshot-prompt.ts";

export interface SnapshotIndexParts {
  /** Of the prefixes; a tenant has its own. */
  readonly keys: Pick<NamespaceKeys, "prefix">;
  readonly digests: Digests;
  readonly scheduler: Clock & Scheduler;
}

export interface SnapshotScope {
  readonly geometry: GeometryKey;
  /** Of the tenant. */
  readonly own: NamespaceKey;
  /** Those that are looked at too. */
  readonly prefixes: readonly Prefix[];
}

export interface SnapshotIndex {
  readonly view: SnapshotPromptView;
  readonly text: SnapshotText;
  /** As of a `PromptIndex`. */
  readonly keyAt: PromptIndex["keyAt"];
  /** Of a segment that is saved after this prompt. */
  chain(): ReturnType<PromptIndex["chainOf"]>;
}

/** Hashes all of the text, in no hurry. */
export async function indexOf(
  { context, bytes }: SnapshotPrompt,
  { geometry, own, prefixes }: SnapshotScope,
  { keys, digests, scheduler }: SnapshotIndexParts,
): Promise<SnapshotIndex> {
  const chain = new SequenceChain({ context, grid: [] }, TEXT_CHAIN, digests);
  await appendTextUnhurried(chain, { bytes }, scheduler);
  const shared = prefixes.map((prefix) => keys.prefix(prefix));
  const index = new PromptIndex(chain, { geometry, own, shared }, digests);
  const points = Buffer.concat(
    chain.points.map(({ digest }) => digest.subarray(0, SNAPSHOT_POINT_BYTES)),
  );
  const { length, step, namespaces } = index.view;
  return {
    view: { length, step, points, namespaces },
    text: { units: length, points },
    keyAt: (at) => index.keyAt(at),
    chain: () => index.chainOf(0, length),
  };
}
