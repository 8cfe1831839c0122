/** Short strings as prompts, of which each character is a token, on a grid with a step of 4. */
import { createDigests } from "../../src/digests.ts";
import type { PromptNamespace, PromptView } from "../../src/kv/catalog.ts";
import { chainPlace, indexPlace } from "../../src/kv/chain/chain-place.ts";
import { indexKey } from "../../src/kv/chain/index-key.ts";
import type { GeometryKey } from "../../src/kv/model/geometry-key.ts";
import {
  type IndexPlace,
  type PrefixKey,
  type SegmentChain,
  SNAPSHOT_POINT_BYTES,
  type SnapshotText,
} from "../../src/kv/records.ts";
import type { SnapshotPromptView } from "../../src/kv/snapshot-rules.ts";

const digests = createDigests();
const STEP = 4;
export const GEOMETRY: GeometryKey = new Uint8Array(33).fill(7);
export const SNAPSHOT_GEOMETRY: GeometryKey = new Uint8Array(33).fill(9);

/** The prompt's tokens in namespaces: a tenant's has its name, and a prefix's `namespaceOf(...)`. */
export function promptOf(namespaces: readonly string[], prompt: string): PromptView {
  const { length } = prompt;
  return { tokens: length, length, step: STEP, namespaces: keyed(namespaces, prompt, GEOMETRY) };
}

/** The same for snapshots. */
export function snapshotPromptOf(
  namespaces: readonly string[],
  prompt: string,
  geometry = SNAPSHOT_GEOMETRY,
): SnapshotPromptView {
  const { length } = prompt;
  const { points } = snapshotTextOf(prompt);
  return { length, step: STEP, points, namespaces: keyed(namespaces, prompt, geometry) };
}

export function snapshotTextOf(text: string): SnapshotText {
  const count = Math.floor(text.length / STEP);
  const points = Array.from({ length: count }, (_, index) =>
    digestAt(text, (index + 1) * STEP).subarray(0, SNAPSHOT_POINT_BYTES),
  );
  return { units: text.length, points: Buffer.concat(points) };
}

function keyed(
  namespaces: readonly string[],
  prompt: string,
  geometry: GeometryKey,
): readonly PromptNamespace[] {
  return namespaces.map((namespace) => {
    const keyAt = (at: number) => {
      if (at > prompt.length) throw new Error(`end at ${at} is past the prompt`);
      const end = { digest: digestAt(prompt, at) };
      return indexKey(Buffer.from(namespace), { geometry, end }, digests);
    };
    return {
      gridKey: (index: number) => keyAt(index * STEP),
      leafKey: (index: number, leaf: number) => keyAt(index * STEP + leaf),
    };
  });
}

export function chainOf(text: string, start: number): SegmentChain {
  const ends = { step: STEP, endAt: (at: number) => ({ at, digest: digestAt(text, at) }) };
  const end = chainPlace(ends, text.length);
  if (end === undefined) throw new Error("every end of a text is known");
  return { before: digestAt(text, start), end };
}

export function placeOf(namespace: string, text: string, geometry = GEOMETRY): IndexPlace {
  const { end } = chainOf(text, 0);
  return indexPlace(Buffer.from(namespace), { geometry, place: end }, digests);
}

export function namespaceOf({ tenant, name }: PrefixKey): string {
  return `${tenant}/${name}`;
}

function digestAt(text: string, at: number): Uint8Array {
  return digests.sha256(Buffer.from(text.slice(0, at)));
}
