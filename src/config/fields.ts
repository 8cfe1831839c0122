/**
 * The kinds of values that configuration keys have. Each kind carries its limit twice from one place: as a check, and as the
 * `limit` text in its metadata, which error messages and the test of docs/config.md read.
 */
import { isIP } from "node:net";
import * as z from "zod";
import { MODEL_LIMIT_BYTES, TENANT_LIMIT_BYTES } from "../affinity/session-key.ts";
import { endpointLimits } from "../endpoints/spec.ts";
import type { ListenAddress } from "../extproc/transport.ts";

export type TcpAddress = Extract<ListenAddress, { kind: "tcp" }>;

/** The longest path of a Unix socket that both Linux (108 bytes with the NUL) and macOS (104) accept. */
const SOCKET_PATH_LIMIT_BYTES = 103;
const FILE_PATH_LIMIT = 4096;
const URI_PREFIX_LIMIT = 1024;
const LISTEN_LIMIT = 300;

/** A string for which `isValid` holds; `limit` completes the sentence "must be". */
export function text(limit: string, isValid: (value: string) => boolean) {
  return z.string().refine(isValid, `must be ${limit}`).meta({ limit });
}

export function integer(min: number, max: number) {
  return z.int().min(min).max(max);
}

/** Entries are distinct, because a second one could never have an effect. */
export function distinctList<Item extends z.ZodType>(item: Item, max: number, min = 0) {
  return z
    .array(item)
    .min(min)
    .max(max)
    .superRefine(
      (entries, context) => {
        const seen = new Set<string>();
        for (const [index, entry] of entries.entries()) {
          if (entry === z.NEVER) continue; // reported already
          const key = JSON.stringify(entry);
          if (seen.has(key)) {
            context.addIssue({
              code: "custom",
              path: [index],
              message: "must not be listed twice",
            });
          }
          seen.add(key);
        }
      },
      { when: ({ value }) => Array.isArray(value) },
    );
}

/** Names that mean something to one connection, or to where a message ends: never a session's, and never ours to set. */
const HOP_BY_HOP_OR_FRAMING = new Set([
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A token as in RFC 9110, section 5.6.2, in the lower case of HTTP/2. */
const LOWER_CASE_TOKEN = /^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/;

export const headerName = text(
  "a lower-case header name of 1..128 characters, no pseudo, hop-by-hop or framing header",
  (value) => LOWER_CASE_TOKEN.test(value) && !HOP_BY_HOP_OR_FRAMING.has(value),
);

export const cookieName = text("a cookie name of 1..128 token characters", (value) =>
  /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/.test(value),
);

export const bodyField = text(
  "1..4 names joined by dots, each 1..64 of A-Z a-z 0-9 _ $ -",
  (value) => /^[\w$-]{1,64}(\.[\w$-]{1,64}){0,3}$/.test(value),
);

export const requestPath = text(
  "a path of 1..256 visible ASCII characters that starts with / and has no ? or #",
  (value) => /^\/[\x21-\x7e]{0,255}$/.test(value) && !/[?#]/.test(value),
);

/** Of a pool, a location or a retention class: fit for a metric's label as it is. */
export const shortName = text("1..63 of a-z 0-9 -", (value) => /^[a-z0-9-]{1,63}$/.test(value));

export const modelName = text(`1..${MODEL_LIMIT_BYTES} visible ASCII characters`, (value) =>
  isVisible(value, MODEL_LIMIT_BYTES),
);

/** As a request may name it. */
export const tenantName = text(`1..${TENANT_LIMIT_BYTES} visible ASCII characters`, (value) =>
  isVisible(value, TENANT_LIMIT_BYTES),
);

/** As a configuration names it, the default one included. */
export const knownTenant = text(
  `0..${TENANT_LIMIT_BYTES} visible ASCII characters`,
  (value) => value === "" || isVisible(value, TENANT_LIMIT_BYTES),
);

/** A token itself is in no configuration: only what tells that one was given. */
export const tokenHash = text("a SHA-256 of 64 lower-case hex digits", (value) =>
  /^[0-9a-f]{64}$/.test(value),
);

/** What stands for a root in a URI, with the slash at its end. */
export const uriPrefix = text(
  `scheme://, more visible ASCII without ? or #, / at the end, at most ${URI_PREFIX_LIMIT} characters`,
  (value) =>
    value.length <= URI_PREFIX_LIMIT &&
    /^[a-z][a-z0-9+.-]*:\/\/[!-~]*\/$/.test(value) &&
    !/[?#]/.test(value),
);

/** What routes of ours are appended to, for others to ask. */
export const publicUrl = text(
  `http:// or https://, a host, perhaps a port and a path; no user, ? or #, no / at the end; at most ${URI_PREFIX_LIMIT} characters`,
  (value) =>
    value.length <= URI_PREFIX_LIMIT &&
    /^https?:\/\/[!-~]*[^/]$/.test(value) &&
    !/[?#@\\]/.test(value) &&
    URL.canParse(value),
);

/** With the limits that those of endpoints have. */
const { labels: LABELS_LIMIT, labelLength: LABEL_LIMIT } = endpointLimits;
const LABELS_TEXT = `0..${LABELS_LIMIT} texts of at most ${LABEL_LIMIT} characters, names of 1..${LABEL_LIMIT}`;
export const labels = z
  .record(z.string().min(1).max(LABEL_LIMIT), z.string().max(LABEL_LIMIT))
  .refine((value) => Object.keys(value).length <= LABELS_LIMIT, `must be ${LABELS_TEXT}`)
  .meta({ limit: LABELS_TEXT });

/** Relative to the folder of the configuration file. */
export const filePath = text(
  `a path of 1..${FILE_PATH_LIMIT} characters`,
  (value) => value.length >= 1 && value.length <= FILE_PATH_LIMIT && !value.includes("\0"),
);

export const tlsFiles = z.strictObject({
  certFile: filePath,
  keyFile: filePath,
  clientCaFile: filePath.nullable().default(null),
});

const TCP_LIMIT = "IP:port (IPv6 in brackets) or localhost:port";

export const tcpAddress = listenField(TCP_LIMIT, parseTcpAddress);

export const listenAddress = listenField(
  `${TCP_LIMIT}, or unix:/path of 2..${SOCKET_PATH_LIMIT_BYTES} bytes`,
  (value) => parseUnixAddress(value) ?? parseTcpAddress(value),
);

function isVisible(value: string, limit: number): boolean {
  return value.length <= limit && /^[\x21-\x7e]+$/.test(value);
}

function listenField<Address extends ListenAddress>(
  limit: string,
  parse: (value: string) => Address | undefined,
) {
  return z
    .string()
    .max(LISTEN_LIMIT)
    .transform((value, context) => {
      const address = parse(value);
      if (address !== undefined) return address;
      context.addIssue({ code: "custom", message: `must be ${limit}` });
      return z.NEVER;
    })
    .meta({ limit });
}

/** Port 0 asks the system for a free one. */
function parseTcpAddress(value: string): TcpAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value);
  if (match === null) return undefined;
  const [, ipv6, other = "", digits] = match;
  const port = Number(digits);
  const host = ipv6 ?? other;
  const isHost = ipv6 === undefined ? isIP(host) === 4 || host === "localhost" : isIP(host) === 6;
  return isHost && port <= 65_535 ? { kind: "tcp", host, port } : undefined;
}

function parseUnixAddress(value: string): ListenAddress | undefined {
  const path = /^unix:(\/[^\0]*[^/\0])$/.exec(value)?.[1];
  if (path === undefined || Buffer.byteLength(path) > SOCKET_PATH_LIMIT_BYTES) return undefined;
  return { kind: "unix", path };
}
