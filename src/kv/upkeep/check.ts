/**
 * Compares a catalog with itself and with what lies at its locations, and mends what can be mended without a guess: what
 * `moorline kv check [--repair]` does. Nobody else may have the catalog open: see `lockCatalog`.
 *
 * Not found: what a service that was killed leaves by right, which its next start finds by itself. A file may be shorter than what
 * is reserved in it, or missing where nothing in it is listed.
 */
import type { Catalog } from "../catalog.ts";
import type { Location } from "../location.ts";
import type { Crc32 } from "../verify/segment-pass.ts";
import { checkFiles } from "./check-files.ts";
import { checkObjects } from "./check-objects.ts";

export interface CheckOptions {
  readonly catalog: Catalog;
  readonly locations: readonly Location[];
  readonly crc32: Crc32;
  /** Wall clock, against which the age of orphans is judged. */
  readonly nowMs: () => number;
  /** `bytes`: every listed segment is read, and its CRC compared. */
  readonly reads: "stats" | "bytes";
  /** Absent: nothing is changed. */
  readonly repair?: RepairOptions;
}

export interface RepairOptions {
  /** Orphans and leftovers are removed when they are older. */
  readonly orphanAgeMs: number;
}

export type FindingKind =
  | "catalog" // records that contradict each other, or cannot be read
  | "location_unknown" // the catalog has files at a location that there is not
  | "location_unreadable"
  | "file_missing" // with segments that somebody lists
  | "file_not_ours" // a link or a folder has its name
  | "file_unreadable"
  | "file_replaced" // another object has its name, or it was changed since; its segments were read
  | "segment_damaged" // its bytes are others, or the file ends before them
  | "segment_unreadable"
  | "orphan" // an object that the catalog does not know
  | "leftover" // what a put left unfinished
  | "foreign"; // what somebody else put there

export interface Finding {
  readonly kind: FindingKind;
  /** `LOCATION/NAME` of a file, the id of a segment, the id of a location. */
  readonly subject: string;
  readonly text: string;
  readonly isMended: boolean;
}

/**
 * One after the other, as they are found and mended. Where nothing is to be changed, what lies at the locations is compared with
 * the catalog as it would be mended, since records that cannot be read are in no one's way there.
 */
export async function* check(options: CheckOptions): AsyncGenerator<Finding, void> {
  yield* checkCatalog(options);
  const { catalog, repair, nowMs } = options;
  const sound = repair === undefined ? await catalog.mendedCopy(nowMs()) : catalog;
  yield* checkFiles({ ...options, catalog: sound });
  yield* checkObjects({ ...options, catalog: sound });
}

async function* checkCatalog({
  catalog,
  repair,
  nowMs,
}: CheckOptions): AsyncGenerator<Finding, void> {
  const mended = repair === undefined ? [] : await catalog.repair(nowMs());
  for (const text of mended) yield { kind: "catalog", subject: "catalog", text, isMended: true };
  for (const text of await catalog.audit()) {
    yield { kind: "catalog", subject: "catalog", text, isMended: false };
  }
}
