/** Rules of `pools[].kv` between its keys and with others. As in rules.ts, nothing here trusts a type. */
import * as z from "zod";
import { formatPath, listAt, valueAt, type Path } from "./document-path.ts";
import type { Report } from "./rules.ts";
import type { DialectName } from "../kv/dialects/dialect.ts";
import { slotsSchema } from "./slot-schema.ts";
import { turnKeys } from "./turn-schema.ts";

const { dialect: _, ...UNUSED } = z
  .object({ ...turnKeys, slots: slotsSchema.prefault({}) })
  .parse({});
/** What only engines that keep KV in files of segments have a use for. */
const OF_SEGMENTS = ["exposeKv", "sendTokens", "tokenizer", "specialTokens"] as const;
const SLOTS: DialectName = "llamacpp-slots";

export function checkTurnRules(document: unknown, report: Report): void {
  for (const [index, pool] of listAt(document, "pools").entries()) {
    const kv = valueAt(pool, "kv");
    if ((kv ?? null) === null) continue;
    const at = ["pools", index, "kv"];
    const dialect = valueAt(kv, "dialect") ?? null;
    checkProfile(kv, at, report);
    if (dialect === null)
      checkUnused(kv, Object.keys(UNUSED), { at, report, beside: "without dialect" });
    else checkUsed(document, at, report);
    if (dialect === SLOTS) {
      checkUnused(kv, OF_SEGMENTS, { at, report, beside: `with dialect ${SLOTS}` });
      checkIdle(kv, at, report);
    } else if (dialect !== null)
      checkUnused(kv, ["slots"], { at, report, beside: `without dialect ${SLOTS}` });
  }
}

function checkProfile(kv: unknown, at: Path, report: Report): void {
  const hasProfile = (valueAt(kv, "profile") ?? null) !== null;
  if (valueAt(kv, "dialect") === SLOTS) {
    if (hasProfile) report([...at, "profile"], `has no effect with dialect ${SLOTS} beside it`);
  } else if (!hasProfile)
    report([...at, "profile"], "is required, unless dialect is llamacpp-slots");
}

/** Slots are saved for being idle where they are told to. */
function checkIdle(kv: unknown, at: Path, report: Report): void {
  const { save = UNUSED.slots.save, idleMs = UNUSED.slots.idleMs } = (valueAt(kv, "slots") ??
    {}) as Partial<Record<"save" | "idleMs", unknown>>;
  const isOther = save === "every_turn" || save === "on_evict";
  if (!isOther || idleMs === UNUSED.slots.idleMs) return;
  report([...at, "slots", "idleMs"], "has no effect without save: idle beside it");
}

interface Unused {
  readonly at: Path;
  readonly report: Report;
  readonly beside: string;
}

/** A key that has no effect is one that somebody believes in. */
function checkUnused(kv: unknown, keys: readonly string[], { at, report, beside }: Unused): void {
  for (const key of keys) {
    const value = valueAt(kv, key);
    const preset: unknown = UNUSED[key as keyof typeof UNUSED];
    if (value === undefined || JSON.stringify(value) === JSON.stringify(preset)) continue;
    report([...at, key], `has no effect ${beside} beside it`);
  }
}

function checkUsed(document: unknown, at: Path, report: Report): void {
  const hasTokenizer = (valueAt(document, ...at, "tokenizer") ?? null) !== null;
  if (hasTokenizer && listAt(document, ...at, "specialTokens").length > 0) {
    report([...at, "specialTokens"], "has no effect with tokenizer beside it");
  }
  if ((valueAt(document, "kv") ?? null) === null) {
    report([...at, "dialect"], "must be null, because there is no kv section");
  }
  const one = valueAt(document, ...at, "bodyLimitBytes");
  const all = valueAt(document, "extproc", "bufferedBytesLimit");
  if (typeof one === "number" && typeof all === "number" && all < one) {
    const key = formatPath([...at, "bodyLimitBytes"]);
    report(["extproc", "bufferedBytesLimit"], `must be >= ${key} ${one}`);
  }
}

/** The keys that name a dialect: their pools need both halves of the program in the process that routes to them. */
export function dialectKeys(document: unknown): readonly string[] {
  return listAt(document, "pools").flatMap((pool, index) => {
    const dialect = valueAt(pool, "kv", "dialect") ?? null;
    return dialect === null ? [] : [formatPath(["pools", index, "kv", "dialect"])];
  });
}
