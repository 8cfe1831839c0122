/**
 * All that a session lists, in pages: thousands of records, decoded at once, would hold the event loop for some tenths of a second. So
 * it is seen at several moments, where it is more than a page. Of a session that ends meanwhile, what it still refers to.
 */
import { type Segment, sessionHolder, type SessionKey } from "../records.ts";
import { type PageRequest, pageOfReferences } from "./rules/reference-pages.ts";
import { segmentAt, sessions } from "./tables.ts";
import type { CatalogStore } from "./transaction.ts";

/** A millisecond or two of everybody's event loop. */
export const LISTED_AT_ONCE = 64;

/** By token start; empty where there is no such session. */
export async function listedSegments(
  store: Pick<CatalogStore, "read">,
  key: SessionKey,
): Promise<readonly Segment[]> {
  const holder = store.read((view) => {
    const session = sessions.get(view, key);
    return session && sessionHolder(session);
  });
  if (holder === undefined) return [];
  const found: Segment[] = [];
  const pageAfter = (after: string) => {
    const request: PageRequest = { after, limit: LISTED_AT_ONCE };
    return store.read((view) => {
      const { ids, next } = pageOfReferences(view, holder, request);
      return { segments: ids.map((id) => segmentAt(view, id)), next };
    });
  };
  for (let after: string | undefined = ""; after !== undefined;) {
    if (after !== "") await immediately();
    const { segments, next } = pageAfter(after);
    found.push(...segments.filter((segment) => segment !== undefined));
    after = next;
  }
  return found;
}

function immediately(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
