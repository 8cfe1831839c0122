/** Short strings as prompts, of which each character is a token, on a grid with a step of 4. */
import { createDigests } from "../../src/digests.ts";
import type { PromptView } from "../../src/kv/catalog.ts";
import { chainPlace, indexPlace } from "../../src/kv/chain/chain-place.ts";
import { indexKey } from "../../src/kv/chain/index-key.ts";
import type { IndexPlace, PrefixKey, SegmentChain } from "../../src/kv/records.ts";

const digests = createDigests();
const STEP = 4;
export const GEOMETRY = new Uint8Array(33).fill(7);

/** The prompt's tokens in namespaces: a tenant's has its name, and a prefix's `namespaceOf(...)`. */
export function promptOf(namespaces: readonly string[], prompt: string): PromptView {
  const { length } = prompt;
  const keyed = namespaces.map((namespace) => {
    const keyAt = (at: number) => {
      if (at > length) throw new Error(`end at ${at} is past the prompt`);
      const end = { digest: digestAt(prompt, at) };
      return indexKey(Buffer.from(namespace), { geometry: GEOMETRY, end }, digests);
    };
    return {
      gridKey: (index: number) => keyAt(index * STEP),
      leafKey: (index: number, leaf: number) => keyAt(index * STEP + leaf),
    };
  });
  return { tokens: length, length, step: STEP, namespaces: keyed };
}

export function chainOf(text: string, start: number): SegmentChain {
  const ends = { step: STEP, endAt: (at: number) => ({ at, digest: digestAt(text, at) }) };
  const end = chainPlace(ends, text.length);
  if (end === undefined) throw new Error("every end of a text is known");
  return { before: digestAt(text, start), end };
}

export function placeOf(namespace: string, text: string): IndexPlace {
  const { end } = chainOf(text, 0);
  return indexPlace(Buffer.from(namespace), { geometry: GEOMETRY, place: end }, digests);
}

export function namespaceOf({ tenant, name }: PrefixKey): string {
  return `${tenant}/${name}`;
}

function digestAt(text: string, at: number): Uint8Array {
  return digests.sha256(Buffer.from(text.slice(0, at)));
}
