/** Snapshots as the desk of snapshots books, keeps and finds them, with no bytes: of short texts, as the prompts of `kv-desk.ts`. */
import type { ObjectName } from "../../src/kv/location.ts";
import { type FileRef, type SegmentId, segmentId, type TurnId } from "../../src/kv/records.ts";
import type {
  KeepSnapshotOutcome,
  KeepSnapshotRequest,
  OpenSnapshotOutcome,
  OpenSnapshotRequest,
  SnapshotMatch,
} from "../../src/kv/snapshot-rules.ts";
import { key, type KvDesk, PLENTY, STAT, TOKEN_BYTES } from "./kv-desk.ts";
import {
  chainOf,
  placeOf,
  SNAPSHOT_GEOMETRY,
  snapshotPromptOf,
  snapshotTextOf,
} from "./kv-texts.ts";

/** Tokens in a slot besides those of the prompt. */
const GENERATED = 2;

export interface NewSnapshot {
  /** Of its session. */
  readonly name: string;
  readonly text: string;
}

export interface SavedSnapshot extends NewSnapshot {
  readonly segment: SegmentId;
  readonly file: FileRef;
  readonly tokens: number;
  readonly bytes: number;
}

export interface OpenedSnapshot {
  readonly saved: SavedSnapshot;
  readonly outcome: OpenSnapshotOutcome;
}

/** Of a slot in which the prompt with this text was. It may take 1,000 ms. */
export async function openSnapshot(
  desk: KvDesk,
  { name, text }: NewSnapshot,
  changes: Partial<OpenSnapshotRequest> = {},
): Promise<OpenedSnapshot> {
  const made = desk.nextName();
  const tokens = text.length + GENERATED;
  const bytes = tokens * TOKEN_BYTES;
  const file = { location: "disk", name: `snapshot-${made}` as ObjectName };
  const limits = { capacityBytes: 1e15, freeFloorBytes: 0 };
  const outcome = await desk.catalog.openSnapshot({
    session: key(name),
    bytes,
    newFile: { ...file, limits, freeBytes: 1e15 },
    nowMs: desk.nowMs,
    deadlineMs: desk.nowMs + 1_000,
    quota: PLENTY,
    ...changes,
  });
  const segment = segmentId(`save-${made}` as TurnId, 0);
  return { saved: { name, text, segment, file, tokens, bytes }, outcome };
}

export function keepSnapshot(
  desk: KvDesk,
  { name, text, segment, file, tokens, bytes }: SavedSnapshot,
  changes: Partial<KeepSnapshotRequest> = {},
): Promise<KeepSnapshotOutcome> {
  const geometry = changes.geometry ?? SNAPSHOT_GEOMETRY;
  const placeIn = (namespace: string) => placeOf(namespace, text, geometry);
  desk.places.set(segment, placeIn);
  const session = key(name);
  return desk.catalog.keepSnapshot({
    segment,
    session,
    file,
    stat: { ...STAT, sizeBytes: bytes },
    crc: 0xbeef,
    tokens,
    geometry,
    chain: chainOf(text, 0),
    place: placeIn(session.tenant),
    text: snapshotTextOf(text),
    nowMs: desk.nowMs,
    quota: PLENTY,
    ...changes,
  });
}

/** For a test that counts on it. */
export async function save(
  desk: KvDesk,
  of: NewSnapshot,
  changes: Partial<KeepSnapshotRequest> = {},
): Promise<SavedSnapshot> {
  const { saved } = await openSnapshot(desk, of);
  const outcome = await keepSnapshot(desk, saved, changes);
  if (outcome === "kept") return saved;
  throw new Error(`not kept: ${outcome}`);
}

export async function matchSnapshot(
  desk: KvDesk,
  { name, text }: NewSnapshot,
  geometry = SNAPSHOT_GEOMETRY,
): Promise<SnapshotMatch | undefined> {
  const session = key(name);
  const namespaces = await desk.namespaces(session.tenant);
  const prompt = snapshotPromptOf(namespaces, text, geometry);
  const { locations } = desk;
  return desk.catalog.matchSnapshot({ session, geometry, prompt, locations });
}
