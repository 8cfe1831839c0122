/**
 * What lies at the locations and belongs to nobody. Where the catalog knows of no file at all, nothing is removed: it is more likely
 * the wrong catalog than the right one over nothing but orphans.
 */
import { isSameContent, type Location, LocationFault, type ObjectStat } from "../location.ts";
import type { CheckOptions, Finding } from "./check.ts";

const PAGE = 1000;

export async function* checkObjects(options: CheckOptions): AsyncGenerator<Finding, void> {
  for (const location of options.locations) {
    const { bookedBytes } = await options.catalog.locationUsage(location.profile.id);
    yield* checkLocation({ ...options, isKnown: bookedBytes > 0 }, location);
  }
}

interface ObjectCheck extends CheckOptions {
  /** The catalog has files at the location. */
  readonly isKnown: boolean;
}

async function* checkLocation(
  options: ObjectCheck,
  location: Location,
): AsyncGenerator<Finding, void> {
  const { id } = location.profile;
  let cursor: string | undefined;
  do {
    const page = await location.list(cursor, PAGE);
    if (page instanceof LocationFault) {
      const text = page.message;
      yield { kind: "location_unreadable", subject: id, text, isMended: false };
      return;
    }
    for (const { name, stat } of page.objects) {
      if ((await options.catalog.file({ location: id, name })) !== undefined) continue;
      const isMended =
        isRemovable(options, stat) &&
        (await location.removeIf(name, (found) => isSameContent(found, stat))) === "removed";
      const text = `${stat.sizeBytes} bytes that the catalog does not know`;
      yield { kind: "orphan", subject: `${id}/${name}`, text, isMended };
    }
    for (const { id: leftover, stat } of page.leftovers) {
      const isMended = isRemovable(options, stat) && (await location.discard(leftover)) === true;
      const text = `${stat.sizeBytes} bytes of a put that did not end`;
      yield { kind: "leftover", subject: `${id}/${leftover}`, text, isMended };
    }
    for (const path of page.foreign) {
      const text = "not ours; it stays";
      yield { kind: "foreign", subject: `${id}/${path}`, text, isMended: false };
    }
    cursor = page.next;
  } while (cursor !== undefined);
}

function isRemovable(
  { repair, isKnown, nowMs }: ObjectCheck,
  { modifiedAtMs }: ObjectStat,
): boolean {
  return repair !== undefined && isKnown && nowMs() - modifiedAtMs > repair.orphanAgeMs;
}
