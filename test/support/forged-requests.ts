/** Requests by which a client may try to have an engine read another's file: the marked URI must never come to one. */
import { gzipSync } from "node:zlib";
import { escaped } from "../json/json-oracle.ts";
import { FORBIDDEN } from "../kv/dialects/requests/forger.ts";
import type { ClientRequest } from "./client.ts";

export interface ForgedRequest extends ClientRequest {
  readonly path: string;
  readonly body: Buffer;
}

const JSON_TYPE = { "content-type": "application/json" };
const URI = "file:///of/somebody/else";
const VICTIM = [{ token_start: 0, token_length: 16, kv_uri: URI, kv_start: 0 }];
const SEGMENTS = JSON.stringify(VICTIM);
const PROMPT = `"input_ids":[1,100,101],"messages":[{"role":"user","content":"a"}]`;
const SHORT = `"sampling_params":{"max_new_tokens":1},"max_tokens":1`;

/** Objects around a forged member, as texts. */
function forms(name: string): readonly string[] {
  const key = JSON.stringify(name);
  const member = `${key}:${SEGMENTS}`;
  const list = `{"id":"x",${FORBIDDEN.map((each) => `"${each}":${SEGMENTS}`).join(",")}}`;
  return [
    member,
    `"session_params":{"id":"x",${member}}`,
    `"session_params":[{"id":"x",${member}}]`,
    `"kv_transfer_params":{${member}}`,
    `"kv_transfer_params":{"kvcache_params":{${member}}}`,
    `"custom_params":{"deep":[[{"er":{${member}}}]]}`,
    // The last one wins in an engine, whatever a scanner thinks of the first.
    `"session_params":{},"session_params":${list}`,
    `${key}:null,${member}`,
    `"${escaped("session_params")}":{${member}}`,
    String.raw`"session\u005fparams":{${member}}`,
    `"${escaped(name)}":${SEGMENTS}`,
    `"${name.slice(0, 3)}${escaped(name.slice(3, 4)).toUpperCase().replace("U", "u")}${name.slice(4)}":${SEGMENTS}`,
    `${key}\t\r\n :\n ${SEGMENTS}`,
  ];
}

/** Each forbidden name in each form, alone and beside a prompt. */
export function forgedTexts(): readonly string[] {
  return FORBIDDEN.flatMap((name) =>
    forms(name).flatMap((form) => [
      `{${form},"text":"a",${SHORT}}`,
      `{${PROMPT},${SHORT},${form}}`,
    ]),
  );
}

const HIDDEN = `{"text":"a",${SHORT},"session_params":{"stored_kv_cache":${SEGMENTS}}}`;

/** Beyond what buffers and windows hold at once. */
export const paddedTexts: readonly string[] = [
  `${" ".repeat(1 << 20)}${HIDDEN}`,
  `{"pad":"${"w".repeat(1 << 20)}",${HIDDEN.slice(1)}`,
  `{"${"k".repeat(1 << 20)}":1,${HIDDEN.slice(1)}`,
  `{"list":[${"1,".repeat(1 << 19)}1],${HIDDEN.slice(1)}`,
  `{"a":`.repeat(100) + HIDDEN + "}".repeat(100),
];

type NamedRequests = readonly (readonly [name: string, request: ForgedRequest])[];

export const encodedRequests: NamedRequests = [
  ["gzip", encoded(gzipSync(HIDDEN), "gzip")],
  ["gzip by another spelling", encoded(gzipSync(HIDDEN), "x-GZIP")],
  ["a list of encodings", encoded(gzipSync(HIDDEN), "identity, gzip")],
  ["an unknown encoding", encoded(Buffer.from(HIDDEN), "utf-8")],
];

export const unreadableRequests: NamedRequests = [
  ["gzip that is not announced", plain(gzipSync(HIDDEN))],
  ["UTF-16", plain(Buffer.from(HIDDEN, "utf16le"))],
  ["UTF-16 with its mark", plain(Buffer.from(`\ufeff${HIDDEN}`, "utf16le"))],
  ["UTF-16, the other way round", plain(Buffer.from(HIDDEN, "utf16le").swap16())],
  ["a byte order mark", plain(Buffer.from(`\ufeff${HIDDEN}`))],
  ["Latin-1", plain(Buffer.from(HIDDEN.replace('"a"', '"\u00e9"'), "latin1"))],
  ["two texts", plain(Buffer.from(`{}\n${HIDDEN}`))],
  ["a comment", plain(Buffer.from(`/**/${HIDDEN}`))],
  ["Python's numbers", plain(Buffer.from(HIDDEN.replace('"a"', "NaN")))],
  ["too deep a nest", plain(Buffer.from("[".repeat(4000) + HIDDEN + "]".repeat(4000)))],
  ["a form", plain(Buffer.from(`body=${encodeURIComponent(HIDDEN)}`))],
  ["parts", plain(Buffer.from(`--x\r\n\r\n${HIDDEN}\r\n--x--`))],
];

/** Envoy itself says no to them, with its own status. */
export const unshownRequests: readonly (readonly [string, number, ForgedRequest])[] = [
  ["an escaped slash", 400, plain(Buffer.from(HIDDEN), "/v1%2Fchat/completions")],
  ["an escaped backslash", 400, plain(Buffer.from(HIDDEN), "/v1%5cchat/completions")],
  ["an upgrade", 403, upgraded(Buffer.from(HIDDEN))],
];

/** As which it may come: none of them is another way past us. */
export const CONTENT_TYPES = [
  "application/json",
  "application/json; charset=utf-16",
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "",
];

export const PATHS = [
  "/generate",
  "/v1/chat/completions",
  "/generate?session_params=1",
  "//generate",
  "/v1//chat///completions",
  "/./v1/x/../chat/completions",
  "/g%65nerate",
  "/generate/",
  "/GENERATE",
  "/v1/completions",
  "/unknown",
  "/",
];

export const METHODS = ["POST", "POST", "POST", "PUT", "PATCH", "GET", "DELETE"];

function plain(body: Buffer, path = "/generate"): ForgedRequest {
  return { path, headers: JSON_TYPE, body };
}

function encoded(body: Buffer, encoding: string): ForgedRequest {
  return { ...plain(body), headers: { ...JSON_TYPE, "content-encoding": encoding } };
}

function upgraded(body: Buffer): ForgedRequest {
  const headers = { ...JSON_TYPE, connection: "upgrade", upgrade: "websocket" };
  return { ...plain(body), headers };
}

/** Every key of the text that only the service may send, as an engine's parser spells it; duplicates too. */
export function forbiddenKeys(body: Buffer): readonly string[] {
  const keys = body.toString("latin1").matchAll(/("(?:[^"\\]|\\.)*")\s*(:?)/gs);
  return Array.from(keys).flatMap(([, text = '""', colon]) => {
    if (colon !== ":") return [];
    const key = String(JSON.parse(text));
    return FORBIDDEN.includes(key) ? [key] : [];
  });
}

export function namesVictim(body: Buffer): boolean {
  return body.includes(URI);
}
