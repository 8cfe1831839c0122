import type { SegmentLayout } from "../../kv/model/layout.ts";
import type { Segment } from "../../kv/records.ts";

import { invalidField } from "../refusals.ts";
import type { TokenRange } from "./representation.ts";

export type AskedTokens = { readonly [K in keyof TokenRange]: TokenRange[K] | undefined };

/** Tokens count from the start of the session, as everywhere. Throws `request_invalid` for what is not in the segment. */
export function chooseTokens(
  { tokenStart: first, tokenLength: count }: Segment,
  layout: SegmentLayout,
  asked: AskedTokens,
): TokenRange {
  const end = first + count;
  const { tokenStart = first, rank } = asked;
  assertIn("token_start", tokenStart, [first, end - 1]);
  const { tokenLength = end - tokenStart } = asked;
  assertIn("token_length", tokenLength, [1, end - tokenStart]);
  if (rank !== undefined) assertIn("rank", rank, [0, layout.ranks - 1]);
  return { tokenStart, tokenLength, rank };
}

function assertIn(field: string, value: number, [least, most]: readonly [number, number]): void {
  if (value >= least && value <= most) return;
  const limit = `from ${least} to ${most}`;
  throw invalidField({ field: `query.${field}`, value: String(value), limit });
}
