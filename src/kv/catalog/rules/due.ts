/**
 * What a pass does for each entry that is due. A record that cannot be read must not keep everything behind it from its end: a rule
 * that meets one is run again from the start without that entry. The record itself stays, for `kv check --repair` to find.
 */
import { AppError } from "../../../errors.ts";
import type { CatalogTransaction, Key } from "../transaction.ts";

/** As many are passed by one rule. */
export const BROKEN_AT_ONCE = 8;

class BrokenEntry extends AppError {
  readonly entry: Key;

  constructor(entry: Key, cause: AppError) {
    super("internal", `what is due cannot be ended: ${cause.message}`, { cause });
    this.entry = entry;
  }
}

/** What the store throws is no fault of a record. */
export function meet<T>(entry: Key, act: () => T): T {
  try {
    return act();
  } catch (reason) {
    if (reason instanceof AppError) throw new BrokenEntry(entry, reason);
    throw reason;
  }
}

/** What an entry names. */
export function due<T>(record: T | undefined): T {
  if (record !== undefined) return record;
  throw new AppError("internal", "there is no record");
}

/** `rule`: told of the entries that it has to do without, by `forget`. */
export async function pastBroken<T>(rule: (broken: readonly Key[]) => Promise<T>): Promise<T> {
  const broken: Key[] = [];
  for (;;) {
    try {
      return await rule(broken);
    } catch (reason) {
      if (!(reason instanceof BrokenEntry)) throw reason;
      broken.push(reason.entry);
    }
  }
}

/** They are not due any more. */
export function forget(tx: CatalogTransaction, broken: readonly Key[]): void {
  for (const entry of broken) tx.remove(entry);
}
