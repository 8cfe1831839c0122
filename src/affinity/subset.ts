/**
 * The gateway's subset hint: the endpoints that it allows for one request.
 * `ip:port` names one endpoint, `ip` every port of that host; IPv6 comes in brackets, or bare where no port follows.
 */
import type { Endpoint } from "../endpoints/endpoint.ts";

/** Normalised items, as `parseSubsetHint` makes them: `ip:port`, `[ipv6]:port`, or a host without brackets. */
export type SubsetHint = readonly string[];

/** The set that `isInSubset` looks into; undefined allows every endpoint. Made once per decision. */
export type Allowed = ReadonlySet<string> | undefined;

/**
 * Gateways send a list, one comma-separated string, or a list with such strings in it: every form is taken. Items are
 * trimmed and empty ones dropped, so a hint of blanks is an empty hint, which allows nothing.
 */
export function parseSubsetHint(values: readonly string[]): SubsetHint {
  return values
    .flatMap((value) => value.split(","))
    .map((item) => item.trim().toLowerCase())
    .filter((item) => item !== "")
    .map(withoutLoneBrackets);
}

export function isInSubset(endpoint: Endpoint, allowed: Allowed): boolean {
  return allowed === undefined || allowed.has(endpoint.address) || allowed.has(endpoint.host);
}

/** `[::1]` is a host in brackets; `[::1]:8000` is an address and keeps them. */
function withoutLoneBrackets(item: string): string {
  return item.startsWith("[") && item.endsWith("]") ? item.slice(1, -1) : item;
}
