/** Each file of the catalog as it really is, and the segments that are listed in it. */
import { type Location, LocationFault, type ObjectStat } from "../location.ts";
import type { FileRef, Segment, StoredFile } from "../records.ts";
import { recheckSegment } from "../verify/segment-pass.ts";
import type { CheckOptions, Finding } from "./check.ts";

const PAGE = 1000;
const UNLIMITED = 0x7fff_ffff;

export async function* checkFiles(options: CheckOptions): AsyncGenerator<Finding, void> {
  const { catalog, locations } = options;
  const unknown = new Set<string>();
  let after: FileRef | undefined;
  for (;;) {
    const files = await catalog.files({ after, limit: PAGE });
    for (const file of files) {
      const location = locations.find(({ profile }) => profile.id === file.location);
      if (location !== undefined) yield* checkFile(options, file, location);
      else unknown.add(file.location);
    }
    after = files.at(-1);
    if (after === undefined) break;
  }
  for (const subject of unknown) {
    const text = "the catalog has files there, and there is no such location";
    yield { kind: "location_unknown", subject, text, isMended: false };
  }
}

/** What nobody lists has nothing to lose. */
async function* checkFile(
  options: CheckOptions,
  file: StoredFile,
  location: Location,
): AsyncGenerator<Finding, void> {
  const segments = await options.catalog.segmentsIn(file, UNLIMITED);
  if (segments.length === 0) return;
  const subject = `${file.location}/${file.name}`;
  const stat = await location.stat(file.name);
  if (stat instanceof LocationFault && stat.code !== "not_ours") {
    yield { kind: "file_unreadable", subject, text: stat.message, isMended: false };
    return;
  }
  if (stat === undefined || stat instanceof LocationFault) {
    const isMended = await condemnAll(options, segments);
    const kind = stat === undefined ? "file_missing" : "file_not_ours";
    const text = `${segments.length} listed segments are in it: ${stat?.message ?? "not found"}`;
    yield { kind, subject, text, isMended };
    return;
  }
  const isReplaced = file.stat !== undefined && stat.identity !== file.stat.identity;
  if (isReplaced) {
    const text = "another object has its name; its segments are read";
    yield { kind: "file_replaced", subject, text, isMended: false };
  }
  const reads = isReplaced ? "bytes" : options.reads;
  for (const segment of segments) {
    yield* checkSegment({ ...options, reads }, { segment, stat, location });
  }
}

interface LocatedSegment {
  readonly segment: Segment;
  readonly stat: ObjectStat;
  readonly location: Location;
}

async function* checkSegment(
  options: CheckOptions,
  { segment, stat, location }: LocatedSegment,
): AsyncGenerator<Finding, void> {
  const { id: subject, kvStart, bytes, file } = segment;
  const end = kvStart + bytes;
  if (end > stat.sizeBytes) {
    const text = `it ends at byte ${end} of ${file.name}, which has ${stat.sizeBytes}`;
    const isMended = await condemnAll(options, [segment]);
    yield { kind: "segment_damaged", subject, text, isMended };
    return;
  }
  if (options.reads === "stats") return;
  const { crc32 } = options;
  const signal = new AbortController().signal;
  const found = await recheckSegment({ segment, location }, { crc32, signal });
  if (found.kind === "ok") return;
  const text = `${bytes} bytes from ${kvStart} on in ${file.location}/${file.name}: ${found.reason}`;
  if (found.kind === "unreadable") {
    yield { kind: "segment_unreadable", subject, text, isMended: false };
    return;
  }
  const isMended = await condemnAll(options, [segment]);
  yield { kind: "segment_damaged", subject, text, isMended };
}

/** Nobody lists them any more. False where nothing is to be changed. */
async function condemnAll(
  { catalog, repair }: CheckOptions,
  segments: readonly Segment[],
): Promise<boolean> {
  if (repair === undefined) return false;
  for (const { id: segment, file } of segments) await catalog.condemn({ segment, file });
  return true;
}
