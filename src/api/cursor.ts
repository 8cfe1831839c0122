/** Where a list goes on: the id of the last item of the page before, in letters that say that they are not for reading. */
import { invalidField } from "./refusals.ts";

/** Items of a page whose size is not asked for. */
const DEFAULT_PAGE = 100;
const ID = /^[\x21-\x7e]{1,256}$/;

export function cursorAfter(id: string): string {
  return Buffer.from(id).toString("base64url");
}

/** `limit`: digits, as a query has them. */
export function pageOf(query: {
  readonly cursor?: string | undefined;
  readonly limit?: string | undefined;
}) {
  const { cursor, limit } = query;
  return { after: parseCursor(cursor), limit: limit === undefined ? DEFAULT_PAGE : Number(limit) };
}

/** Throws for what no list has given. */
function parseCursor(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const id = Buffer.from(cursor, "base64url").toString("latin1");
  if (ID.test(id) && cursorAfter(id) === cursor) return id;
  const limit = "a next_cursor of this list";
  throw invalidField({ field: "query.cursor", value: cursor.slice(0, 64), limit });
}
