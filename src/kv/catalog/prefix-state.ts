/** A prefix is there for others between two states in which only the catalog knows of it. */
import type { Prefix } from "../records.ts";

/** The expiry of a prefix that is gone for everybody; `sweep` drops what it still lists, and then it. */
export const REMOVED = 0;
/** When a prefix was made that does not list everything yet. It expires as one that nobody goes on with. */
export const UNMADE = 0;

export function isRemoved({ expiresAtMs }: Prefix): boolean {
  return expiresAtMs === REMOVED;
}

export function isDraft({ createdAtMs }: Prefix): boolean {
  return createdAtMs === UNMADE;
}

/** Expired or not. */
export function isThere(prefix: Prefix): boolean {
  return !isRemoved(prefix) && !isDraft(prefix);
}
