/** Lists parts of a written segment in its place, each copied into an object of its own. */
import { AppError } from "../../../errors.ts";
import type { CutPart, OpenCutRequest, SettleCutRequest, SettledCut } from "../../cuts.ts";
import { refuseSpace } from "../../location.ts";
import { type Segment, segmentId, type Turn } from "../../records.ts";
import type { OpenCopyOutcome } from "../../space.ts";
import { locationUsage } from "../sums.ts";
import { files, segmentAt, segments } from "../tables.ts";
import type { CatalogTransaction } from "../transaction.ts";
import { bookedFile, fill, isBooked } from "./copies.ts";
import { liveTurn } from "./report.ts";
import { keep } from "./settle.ts";
import { sealFile, settlePart } from "./turn-end.ts";

export function openCut(tx: CatalogTransaction, request: OpenCutRequest): OpenCopyOutcome {
  const { segment: id, bytes, newFile } = request;
  const segment = segmentAt(tx, id);
  if (segment?.state !== "reported") return "gone";
  if (files.get(tx, newFile) !== undefined) return "file_exists";
  const books = { ...locationUsage(tx, newFile.location), freeBytes: newFile.freeBytes };
  if (refuseSpace(newFile.limits, books, bytes) !== undefined) return "no_space";
  files.save(tx, bookedFile({ ...files.must(tx, segment.file), bytes }, request));
  return "opened";
}

export function settleCut(
  tx: CatalogTransaction,
  request: SettleCutRequest,
): readonly SettledCut[] | undefined {
  const { segment: id, nowMs, parts, locations } = request;
  const segment = segmentAt(tx, id);
  if (segment?.state !== "reported") return undefined;
  const turn = liveTurn(tx, segment.turn, nowMs);
  if (turn === undefined) return undefined;
  const cut = placeParts(turn, segment, parts);
  if (!cut.every(({ segment: each }) => isBooked(tx, each, { to: each.file, nowMs })))
    return undefined;

  sealFile(tx, segment.file);
  segments.delete(tx, { id });
  const settled = cut.map(({ segment: each, part: { crc, stat } }) => {
    fill(tx, { to: each.file, stat, nowMs });
    const verdict = { kind: "durable", crc, stat } as const;
    return { segment: each, outcome: keep(tx, { turn, segment: each, verdict, nowMs, locations }) };
  });
  settlePart(tx, turn, { id, nowMs });
  return settled;
}

interface PlacedPart {
  readonly part: CutPart;
  /** As it was reported, had the engine written it alone. */
  readonly segment: Segment;
}

/** Their ids are those of the turn's parts, of which it had one. */
function placeParts(turn: Turn, whole: Segment, parts: readonly CutPart[]): PlacedPart[] {
  const tokens = parts.reduce((sum, { tokenLength }) => sum + tokenLength, 0);
  if (turn.pending.length !== 1 || parts.length === 0 || tokens > whole.tokenLength) {
    const lengths = parts.map(({ tokenLength }) => tokenLength).join(" + ");
    throw new AppError("internal", `a segment of ${whole.tokenLength} cannot be cut to ${lengths}`);
  }
  let { tokenStart } = whole;
  return parts.map((part, index) => {
    const { tokenLength, chain, place, file } = part;
    const placed = {
      id: segmentId(turn.id, index),
      file: { location: file.location, name: file.name },
      tokenStart,
      tokenLength,
      kvStart: 0,
      bytes: tokenLength * turn.tokenBytes,
      chain,
      place,
    };
    tokenStart += tokenLength;
    return { part, segment: { ...whole, ...placed } };
  });
}
