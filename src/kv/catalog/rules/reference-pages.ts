/** A holder's references in pages, for what is done to thousands of them in steps. */
import type { Holder, SegmentId } from "../../records.ts";
import { parseReference, referencesPrefix, under } from "../keys.ts";
import type { CatalogView } from "../transaction.ts";

export interface PageRequest {
  /** The last reference of the page before, as that page had it; "" for the first page. */
  readonly after: string;
  /** >= 1. */
  readonly limit: number;
}

export interface ReferencePage {
  /** By token start, with what is withdrawn. */
  readonly ids: readonly SegmentId[];
  /** Undefined when there are no more. */
  readonly next: string | undefined;
}

export function pageOfReferences(
  view: CatalogView,
  holder: Holder,
  { after, limit }: PageRequest,
): ReferencePage {
  const prefix = referencesPrefix(holder);
  const all = under(prefix);
  const page = view.range({ ...all, from: after === "" ? all.from : `${prefix}${after}\0`, limit });
  const last = page.length < limit ? undefined : page.at(-1);
  const ids = page.map(({ key }) => parseReference(prefix, key));
  return { ids, next: last?.key.slice(prefix.length) };
}
