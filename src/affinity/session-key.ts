/**
 * Which session a request belongs to, read from what the client sent: configured headers in order, then a cookie, then fields
 * of the JSON body. A usable id is 1 to 256 visible ASCII bytes (0x21-0x7e) after ASCII white space around it is trimmed; an
 * empty one counts as absent. Such an id needs no escaping in a header, a log line or a binding key, and cannot hold the NUL
 * that joins binding keys.
 *
 * The client's own word, `x-session-id`, is answered in the same header, so an unusable one is refused rather than replaced
 * behind the client's back. Every other source is a convention of some tool: an unusable value there is skipped and reported.
 *
 * Header values are latin1 strings, one char per byte, so that a length in chars is a length in bytes.
 */

/** The header that carries the session id in both directions. */
export const SESSION_ID_HEADER = "x-session-id";
export const SESSION_ID_LIMIT_BYTES = 256;
export const TENANT_LIMIT_BYTES = 128;
export const MODEL_LIMIT_BYTES = 256;

const VISIBLE_ASCII = /^[!-~]+$/; // half the time of a loop over char codes

/** A field of a request and the longest value that is taken from it. */
export interface FieldRule {
  /** As an operator knows it: a header name, or a source as in `SkippedSource`. */
  readonly field: string;
  readonly limitBytes: number;
}

/** A value that is present and not 1 to `limitBytes` visible ASCII bytes. */
export interface Unusable extends FieldRule {
  /** Of the trimmed value. */
  readonly lengthBytes: number;
}

/**
 * The trimmed value; undefined when it is absent or empty after trimming. Reads no further than the limit, and allocates
 * nothing for a usable value without white space around it.
 */
export function parseField(
  raw: string | undefined,
  rule: FieldRule,
): string | undefined | Unusable {
  if (raw === undefined) return undefined;
  const value = trimAscii(raw);
  if (value.length === 0) return undefined;
  if (value.length > rule.limitBytes || !VISIBLE_ASCII.test(value)) {
    return { field: rule.field, limitBytes: rule.limitBytes, lengthBytes: value.length };
  }
  return value;
}

/** Where ids come from, in order of precedence: `headers` as listed, the cookie, `bodyFields` as listed. */
export interface SessionSources {
  /** Lower case. */
  readonly headers: readonly string[];
  /** A cookie's name, or null for none. */
  readonly cookie: string | null;
  /** Dotted paths into a JSON body. */
  readonly bodyFields: readonly string[];
}

/** `header NAME`, `cookie NAME` or `body PATH`: as many as there are configured sources, so a metric label may hold it. */
export type SkippedSource = string;

const headerSource = (name: string): SkippedSource => `header ${name}`;
const cookieSource = (name: string): SkippedSource => `cookie ${name}`;
const bodySource = (path: string): SkippedSource => `body ${path}`;

/** Every source whose values may be skipped: all but `x-session-id`, which is refused. */
export function skippableSources(sources: SessionSources): readonly SkippedSource[] {
  const { headers, cookie, bodyFields } = sources;
  return [
    ...headers.filter((name) => name !== SESSION_ID_HEADER).map(headerSource),
    ...(cookie === null ? [] : [cookieSource(cookie)]),
    ...bodyFields.map(bodySource),
  ];
}

export interface SessionKeyReader {
  /**
   * The id in the header values, which are aligned with `SessionSources.headers`, else in the `cookie` header. The first
   * usable one wins and the rest is not looked at. `Unusable` when an unusable `x-session-id` came before it.
   */
  fromHeaders(
    values: readonly (string | undefined)[],
    cookieHeader: string | undefined,
  ): string | undefined | Unusable;
  /** The first usable id in body values, which are aligned with `SessionSources.bodyFields`. */
  fromBody(values: readonly (string | undefined)[]): string | undefined;
}

/** `onSkipped` hears of each unusable value that was passed over. */
export function createSessionKeyReader(
  sources: SessionSources,
  onSkipped: (source: SkippedSource) => void,
): SessionKeyReader {
  const headerRules = sources.headers.map((name) =>
    sessionIdRule(name === SESSION_ID_HEADER ? name : headerSource(name)),
  );
  const cookieRule = sessionIdRule(cookieSource(sources.cookie ?? ""));
  const bodyRules = sources.bodyFields.map((path) => sessionIdRule(bodySource(path)));

  /** The first value that is neither absent nor skipped. */
  function first(
    values: readonly (string | undefined)[],
    rules: readonly FieldRule[],
  ): string | undefined | Unusable {
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i];
      if (rule === undefined || values[i] === undefined) continue;
      const value = parseField(values[i], rule);
      if (value === undefined) continue;
      if (typeof value === "string" || rule.field === SESSION_ID_HEADER) return value;
      onSkipped(rule.field);
    }
    return undefined;
  }

  /** For sources that are never refused. */
  function usable(value: string | undefined | Unusable): string | undefined {
    if (typeof value !== "object") return value;
    onSkipped(value.field);
    return undefined;
  }

  return {
    fromHeaders(values, cookieHeader) {
      const id = first(values, headerRules);
      if (id !== undefined || sources.cookie === null || cookieHeader === undefined) return id;
      return usable(parseField(cookieValue(cookieHeader, sources.cookie), cookieRule));
    },
    fromBody(values) {
      return usable(first(values, bodyRules));
    },
  };
}

/**
 * The value of the first cookie called `name` in a `cookie` header (RFC 6265, section 4.2.1), without the double quotes that
 * may surround it; undefined when there is none. A pair without `=` is skipped. Linear in the header's length.
 */
export function cookieValue(header: string, name: string): string | undefined {
  for (let start = 0; start < header.length;) {
    const semicolon = header.indexOf(";", start);
    const end = semicolon === -1 ? header.length : semicolon;
    const pair = trimAscii(header.slice(start, end));
    if (pair.startsWith(name)) {
      const rest = trimAscii(pair.slice(name.length));
      if (rest.startsWith("=")) return unquoted(trimAscii(rest.slice(1)));
    }
    start = end + 1;
  }
  return undefined;
}

function unquoted(value: string): string {
  const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
  return isQuoted ? value.slice(1, -1) : value;
}

function sessionIdRule(field: string): FieldRule {
  return { field, limitBytes: SESSION_ID_LIMIT_BYTES };
}

/** Trims what HTTP and C call white space. `String.trim` would take U+00A0 too, which is a byte of somebody's UTF-8 here. */
function trimAscii(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isAsciiSpace(value.charCodeAt(start))) start++;
  while (end > start && isAsciiSpace(value.charCodeAt(end - 1))) end--;
  return end - start === value.length ? value : value.slice(start, end);
}

function isAsciiSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}
