/**
 * A process that is busy with a catalog until it is killed: `node catalog-writer.ts FOLDER ROUND`. Sixteen sessions take turn after
 * turn at the same time. Each line of its output is a fact that a rule has answered; a pipe takes it before the next rule begins.
 */
import { LmdbStore } from "../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../src/kv/catalog/rule-catalog.ts";
import type { ObjectName } from "../../src/kv/location.ts";
import { type SegmentId, segmentId, type TurnId } from "../../src/kv/records.ts";
import { key, KvDesk } from "./kv-desk.ts";

/** What the reader of the lines may rely on after any crash. */
export type Fact =
  | { readonly kind: "created" | "ending" | "ended"; readonly session: string }
  | { readonly kind: "reserved"; readonly file: string; readonly from: number; readonly to: number }
  | { readonly kind: "durable"; readonly session: string; readonly segment: SegmentId }
  | { readonly kind: "aborted"; readonly turn: TurnId };

const [folder = "", round = ""] = process.argv.slice(2);
const desk = new KvDesk(
  await openCatalog(new LmdbStore({ path: folder, durability: "power_loss" })),
);

await Promise.all(Array.from({ length: 16 }, (_, n) => work(`s${round}-${n}`)));

/** Life after life of one session, each of eight turns, of which one is aborted. */
async function work(name: string): Promise<void> {
  for (let life = 0; ; life++) {
    const session = `${name}-${life}`;
    await desk.create(session);
    tell({ kind: "created", session });
    for (let turn = 0; turn < 8; turn++) await takeTurn(session, turn);
    tell({ kind: "ending", session });
    await desk.catalog.end(key(session), desk.nowMs);
    tell({ kind: "ended", session });
  }
}

async function takeTurn(session: string, turn: number): Promise<void> {
  const tokenStart = 4 * turn;
  const id = `${session}-${turn}` as TurnId;
  const newFile = { name: `file-${id}` as ObjectName };
  const reservation = await desk.reserved(session, { turn: id, tokenStart, newFile });
  const { file, fromBytes: from, toBytes: to } = reservation;
  tell({ kind: "reserved", file: file.name, from, to });
  if (turn === 5) {
    await desk.abort(reservation);
    return tell({ kind: "aborted", turn: id });
  }
  const text = session.padEnd(64, "-").slice(0, tokenStart + 4);
  await desk.report(reservation, text);
  const outcome = await desk.settle(reservation);
  const segment = outcome.kind === "duplicate" ? outcome.of : segmentId(id, 0);
  tell({ kind: "durable", session, segment });
}

function tell(fact: Fact): void {
  process.stdout.write(`${JSON.stringify(fact)}\n`);
}
