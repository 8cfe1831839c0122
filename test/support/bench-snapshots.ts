import { crc32 } from "node:zlib";

import { KvDesk } from "./kv-desk.ts";
import {
  keepSnapshot,
  type NewSnapshot,
  openSnapshot,
  type SavedSnapshot,
} from "./kv-snapshots.ts";
import type { TurnBench } from "./turn-bench.ts";

const FILL = 0x33;
/** Each gives no name twice. */
const desks = new WeakMap<TurnBench, KvDesk>();

/** A snapshot of a session of the default tenant, with its bytes on the disk of a bench. */
export async function saveOnDisk(
  bench: TurnBench,
  { name, text }: NewSnapshot,
): Promise<SavedSnapshot> {
  const desk = desks.get(bench) ?? new KvDesk(bench.catalog);
  desks.set(bench, desk);
  desk.nowMs = bench.clock.now();
  const of = { name: `/${name}`, text };
  const { saved, outcome } = await openSnapshot(desk, of);
  if (outcome !== "opened") throw new Error(`not opened: ${outcome}`);
  const bytes = new Uint8Array(saved.bytes).fill(FILL);
  const crc = crc32(bytes);
  const source = (async function* () {
    yield bytes;
  })();
  const stat = await bench
    .location("disk")
    ?.put(saved.file.name, source, { bytes: bytes.length, crc });
  if (stat === undefined || stat instanceof Error) throw new Error("not put");
  const kept = await keepSnapshot(desk, saved, { stat, crc });
  if (kept !== "kept") throw new Error(`not kept: ${kept}`);
  return saved;
}
