/** Rules of `pools[].kv` between its keys and with others. As in rules.ts, nothing here trusts a type. */
import * as z from "zod";
import { formatPath, listAt, valueAt, type Path } from "./document-path.ts";
import type { Report } from "./rules.ts";
import { turnKeys } from "./turn-schema.ts";

const { dialect: _, ...UNUSED } = z.object(turnKeys).parse({});

export function checkTurnRules(document: unknown, report: Report): void {
  for (const [index, pool] of listAt(document, "pools").entries()) {
    const kv = valueAt(pool, "kv");
    const at = ["pools", index, "kv"];
    if ((valueAt(kv, "dialect") ?? null) === null) checkUnused(kv, at, report);
    else checkUsed(document, at, report);
  }
}

/** A key that has no effect is one that somebody believes in. */
function checkUnused(kv: unknown, at: Path, report: Report): void {
  for (const [key, preset] of Object.entries(UNUSED)) {
    const value = valueAt(kv, key);
    if (value === undefined || JSON.stringify(value) === JSON.stringify(preset)) continue;
    report([...at, key], "has no effect without dialect beside it");
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
