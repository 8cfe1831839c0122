import type { Digests } from "../digest.ts";
import { type GeometryKey, geometryKey } from "./geometry-key.ts";
import { layoutOf, type SegmentLayout } from "./layout.ts";
import type { ModelProfile } from "./profile.ts";

/** How the bytes of segments lie, by their geometry: of these models' token chains, which are what segments are of. */
export function layoutsByGeometry(
  profiles: readonly ModelProfile[],
  digests: Digests,
): (geometry: GeometryKey) => SegmentLayout | undefined {
  const layouts = new Map<string, SegmentLayout>();
  for (const profile of profiles) {
    const layout = layoutOf(profile);
    for (const chainKind of ["engine", "tokenizer"] as const) {
      layouts.set(nameOf(geometryKey({ profile, chainKind }, digests)), layout);
    }
  }
  return (geometry) => layouts.get(nameOf(geometry));
}

function nameOf(geometry: GeometryKey): string {
  return String.fromCharCode(...geometry);
}
