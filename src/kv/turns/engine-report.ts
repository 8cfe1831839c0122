/**
 * An engine's answer, part by part, as the catalog judges it. What cannot be judged there, because it has no file of ours or no
 * tokens that we know, is put so that it is found wrong: its file may hold anything from now on.
 */
import type { ReportedSegment } from "../catalog.ts";
import { DIGEST_BYTES } from "../digest.ts";
import type { Location, ObjectName } from "../location.ts";
import type { FileRef, Segment } from "../records.ts";
import type { IndexedChain, PromptIndex } from "./prompt-index.ts";
import type { EngineSegment } from "./turn-plan.ts";

export interface EngineReport {
  /** What was reserved and is pending. */
  readonly parts: readonly Segment[];
  readonly answers: readonly EngineSegment[];
  readonly index: Pick<PromptIndex, "chainOf">;
  /** The one that the parts' file is at. */
  readonly location: Location;
}

/** No file and no location has an empty name. */
const NO_FILE: FileRef = { location: "", name: "" as ObjectName };
const NO_DIGEST = new Uint8Array(DIGEST_BYTES);
const NO_CHAIN: IndexedChain = {
  chain: {
    before: NO_DIGEST,
    end: { anchor: NO_DIGEST, offset: 0, grid: NO_DIGEST, leaf: undefined },
  },
  place: { anchorKey: NO_DIGEST, offset: 0, gridKey: NO_DIGEST, leaf: undefined },
};

/** An engine may leave parts out; one that answers for what it was not given, or twice, is believed in nothing. */
export function reportedSegments(report: EngineReport): ReportedSegment[] {
  const { parts, answers } = report;
  const starts = new Set(answers.map(({ tokenStart }) => tokenStart));
  const isAnswer = parts.filter(({ tokenStart }) => starts.has(tokenStart)).length;
  if (isAnswer !== answers.length) return parts.map(misplaced);
  return answers.map((answer) => reportedSegment(answer, report));
}

function reportedSegment(
  { kvUri, kvLength, kvStart, tokenStart, tokenLength }: EngineSegment,
  { index, location }: EngineReport,
): ReportedSegment {
  const name = location.nameOf(kvUri);
  const file = name === undefined ? NO_FILE : { location: location.profile.id, name };
  const chain = index.chainOf(tokenStart, tokenStart + tokenLength);
  const said = { file, tokenStart, kvStart, kvLength };
  // Tokens that the sequence does not have are no tokens.
  if (chain === undefined) return { ...said, tokenLength: 0, ...NO_CHAIN };
  return { ...said, tokenLength, ...chain };
}

function misplaced({ tokenStart, tokenLength, kvStart }: Segment): ReportedSegment {
  return {
    file: NO_FILE,
    tokenStart,
    tokenLength,
    kvStart,
    kvLength: undefined,
    ...NO_CHAIN,
  };
}
