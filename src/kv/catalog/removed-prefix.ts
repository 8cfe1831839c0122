import type { Prefix } from "../records.ts";

/** The expiry of a prefix that is gone for everybody; `sweep` drops what it still lists, and then it. */
export const REMOVED = 0;

export function isRemoved({ expiresAtMs }: Prefix): boolean {
  return expiresAtMs === REMOVED;
}
