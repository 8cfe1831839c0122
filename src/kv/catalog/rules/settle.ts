import { AppError } from "../../../errors.ts";
import type { AbortRequest, SettleOutcome, SettleRequest, Verdict } from "../../catalog.ts";
import { isAtAny } from "../../copies.ts";
import { type IndexPlace, type Segment, sessionHolder, type Turn } from "../../records.ts";
import type { CondemnRequest } from "../../space.ts";
import { endsAt } from "../chain-index.ts";
import { files, segmentAt, segments, sessions } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";
import { copyAt, dropCopy } from "./copies.ts";
import { addReference, withdraw } from "./references.ts";
import { liveTurn } from "./report.ts";
import { abortTurn, dropPart, sealFile, settlePart } from "./turn-end.ts";

export function settle(tx: CatalogTransaction, request: SettleRequest): SettleOutcome {
  const { segment: id, nowMs, verdict, locations } = request;
  const segment = segmentAt(tx, id);
  if (segment?.state !== "reported") return { kind: "conflict" };
  const turn = liveTurn(tx, segment.turn, nowMs);
  if (turn === undefined) return { kind: "conflict" };
  if (verdict.kind === "dropped") {
    sealFile(tx, segment.file);
    dropPart(tx, id, nowMs);
    return { kind: "dropped" };
  }
  files.update(tx, segment.file, (file) => ({ ...file, stat: verdict.stat }));
  const outcome = keep(tx, { turn, segment, verdict, nowMs, locations });
  settlePart(tx, turn, { id, nowMs });
  return outcome;
}

export function abort(tx: CatalogTransaction, { turn: id, nowMs }: AbortRequest): boolean {
  const turn = liveTurn(tx, id, nowMs);
  if (turn !== undefined) abortTurn(tx, turn, nowMs);
  return turn !== undefined;
}

export function condemn(tx: CatalogTransaction, request: CondemnRequest): boolean {
  if (copyAt(tx, request) === undefined) return false;
  sealFile(tx, request.file);
  if (!dropCopy(tx, request)) withdraw(tx, request.segment);
  return true;
}

export interface Verified {
  readonly turn: Turn;
  readonly segment: Segment;
  readonly nowMs: number;
  readonly verdict: Extract<Verdict, { kind: "durable" }>;
  readonly locations: SettleRequest["locations"];
}

/** An equal one that the tenant has is listed in its place, and the bytes of this one go with their file. */
export function keep(tx: CatalogTransaction, verified: Verified): SettleOutcome {
  const { turn, segment, verdict, nowMs } = verified;
  const { id, place } = segment;
  if (place === undefined) throw new AppError("internal", `reported segment ${id} has no place`);
  const holder = sessionHolder(sessions.must(tx, turn.session));
  const equal = findEqual(tx, verified, place);
  if (equal !== undefined) {
    segments.delete(tx, segment);
    addReference(tx, holder, { segment: equal, nowMs, place: () => place });
    return { kind: "duplicate", of: equal.id };
  }
  const durable = { ...segment, state: "durable", crc: verdict.crc, place: undefined } as const;
  segments.save(tx, durable);
  addReference(tx, holder, { segment: durable, nowMs, place: () => place });
  return { kind: "durable" };
}

/** Of the same tokens: their digest may have been given for another position, so the end alone does not say it. */
function findEqual(
  view: CatalogView,
  { segment: { tokenStart, tokenLength }, locations }: Verified,
  place: IndexPlace,
): Segment | undefined {
  return endsAt(view, place)
    .map(({ segment: id }) => segmentAt(view, id))
    .filter((known) => known !== undefined && isAtAny(known, locations))
    .find((known) => known?.tokenStart === tokenStart && known.tokenLength === tokenLength);
}
