/** The conditional headers of a GET or HEAD (RFC 9110, section 13). There is an entity tag and no date to compare with. */

export interface ConditionalHeaders {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly ifRange: string | undefined;
}

/** `etag` is strong and of what is there. In the RFC's order: what must be equal first, then what must differ. */
export function judgePreconditions(
  { ifMatch, ifNoneMatch }: ConditionalHeaders,
  etag: string,
): "holds" | "failed" | "not_modified" {
  if (ifMatch !== undefined && !lists(ifMatch, [etag])) return "failed";
  if (ifNoneMatch !== undefined && lists(ifNoneMatch, [etag, `W/${etag}`])) return "not_modified";
  return "holds";
}

/** Whether Range counts: a weak tag, another one or a date says that the client has parts of something else. */
export function mayUseRange({ ifRange }: ConditionalHeaders, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === etag;
}

function lists(header: string, tags: readonly string[]): boolean {
  if (header.trim() === "*") return true;
  const listed = header.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return listed.some((tag) => tags.includes(tag));
}
