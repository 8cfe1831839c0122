/** The members that are the service's alone, and how they are found in a JSON text, wherever they are and however spelled. */
import { AppError } from "../../errors.ts";
import {
  scanJsonMembersInSlices,
  type MembersQuery,
  type MembersScan,
} from "../../json/json-members.ts";
import type { JsonVisitor } from "../../json/json-walk.ts";
import { withRegularKeysInSlices } from "../../json/regular-keys.ts";
import type { Slices } from "../../json/slices.ts";
import type { UnreadableBody } from "./dialect.ts";

export const SERVICE_MEMBERS = [
  "stored_kv_cache",
  "fresh_kv_cache",
  "stored_kvcache",
  "fresh_kvcache",
  "kvcache_params",
];

export type RegularScan =
  | (Extract<MembersScan, { kind: "members" }> & {
      /** The text; where a key that matters came twice or with an escape, it comes once and plainly. */
      readonly bytes: Uint8Array;
    })
  | UnreadableBody;

/** `also`: told of the text while it is scanned. */
export function* scanRegular(
  text: Uint8Array,
  query: MembersQuery,
  also?: JsonVisitor,
): Slices<RegularScan> {
  const scan = yield* scanJsonMembersInSlices(text, query, also);
  if (scan.kind === "unreadable") return scan;
  if (!scan.isIrregular) return { ...scan, bytes: text };
  const bytes = yield* withRegularKeysInSlices(text, query);
  const again = yield* scanJsonMembersInSlices(bytes, query);
  if (again.kind === "members" && !again.isIrregular) return { ...again, bytes };
  throw new AppError("internal", "a JSON text with regular keys is irregular");
}
