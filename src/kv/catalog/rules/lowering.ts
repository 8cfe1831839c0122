/**
 * A session that is worth less from now on, as its pin was lifted or its class is another: nothing that it refers to is kept as
 * dearly as it was. Each of those files has to be told, thousands of them in steps: the first ones by the rule that lowers, the
 * others by the sweep. Until it is told a file's floor may be above its priority, so that an eviction passes it over.
 */
import { type Holder, sessionHolder, type SessionLife } from "../../records.ts";
import { lowered, segmentAt } from "../tables.ts";
import type { CatalogTransaction, CatalogView } from "../transaction.ts";
import { forgetPriorities } from "./file-priority.ts";
import { pageOfReferences } from "./reference-pages.ts";

/** Returns how many references were met, at most `limit`. */
export function lower(tx: CatalogTransaction, session: SessionLife, limit: number): number {
  const { tenant, id, life } = session;
  lowered.save(tx, { tenant, id, life, after: "" });
  return goOnLowering(tx, session, limit);
}

export function goOnLowering(tx: CatalogTransaction, of: SessionLife, limit: number): number {
  if (limit <= 0) return 0;
  const known = lowered.must(tx, of);
  const { ids, next } = pageOfReferences(tx, sessionHolder(of), { after: known.after, limit });
  for (const id of ids) {
    const segment = segmentAt(tx, id);
    if (segment !== undefined) forgetPriorities(tx, segment);
  }
  if (next === undefined) lowered.delete(tx, of);
  else lowered.save(tx, { ...known, after: next });
  return ids.length;
}

export function isBeingLowered(view: CatalogView, holder: Holder): boolean {
  return holder.kind === "session" && lowered.get(view, holder) !== undefined;
}
