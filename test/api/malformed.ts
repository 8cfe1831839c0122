/** Requests that break one rule of the API each, with the field that the answer has to name. */
import fc from "fast-check";

export interface Malformed {
  readonly method: string;
  /** Encoded, with its query. */
  readonly path: string;
  /** Absent: none. A string is sent as it is. */
  readonly body?: unknown;
  readonly contentType?: string;
  /** How the name of the field begins; undefined where the request as a whole is wrong. */
  readonly field?: string;
  /** The value was taken away. */
  readonly isMissing?: boolean;
}

type Json = Readonly<Record<string, unknown>>;

interface Route {
  readonly method: string;
  readonly path: string;
  readonly body: Json;
  /** Values that break the rule of a field, by the way to it. */
  readonly fields: Readonly<Record<string, fc.Arbitrary<unknown>>>;
  readonly required: readonly string[];
}

/** Names that no parser refuses before any field is looked at; a body with those is among the broken ones below. */
const KEY = fc.string().filter((name) => name !== "__proto__" && name !== "constructor");

const NO_TEXT = fc.oneof(
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.string(), { maxLength: 2 }),
  fc.dictionary(KEY, fc.integer(), { maxKeys: 2 }),
);
const INVISIBLE = fc.constantFrom(" ", "\u0000", "\n", "\u007f", "\u00e9", "\u20ac", "\u{1f600}");
const VISIBLE = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map(String.fromCharCode) });

function badText(limit: number): fc.Arbitrary<unknown> {
  const tooLong = fc.nat(300).map((more) => "x".repeat(limit + 1 + more));
  return fc.oneof(NO_TEXT, badName(), tooLong, fc.constant(""));
}

function badName(): fc.Arbitrary<string> {
  return fc.tuple(VISIBLE, INVISIBLE, VISIBLE).map((parts) => parts.join(""));
}

function badInteger(min: number, max = Number.MAX_SAFE_INTEGER): fc.Arbitrary<unknown> {
  return fc.oneof(
    fc.string(),
    fc.boolean(),
    fc.constant([1]),
    fc.double({ min: min + 0.1, max: min + 0.9, noNaN: true }),
    fc.integer({ max: min - 1 }),
    fc.constantFrom(max + 1, max * 2, 1e300, -1e300),
  );
}

const NO_LIST = fc.oneof(
  fc.integer(),
  fc.string(),
  fc.boolean(),
  fc.constant(null),
  fc.object({ key: KEY }),
);
const BAD_ID = badInteger(0, 0xffff_ffff);
const BAD_IDS = fc.oneof(
  NO_LIST,
  fc.tuple(fc.array(fc.nat(9), { maxLength: 9 }), BAD_ID).map(([ids, bad]) => [...ids, bad]),
);
const BAD_DIGEST = fc.oneof(NO_TEXT, fc.string({ maxLength: 63 }), fc.constant("G".repeat(64)));
const BAD_BOOLEAN = fc.oneof(fc.integer(), fc.string(), fc.constant(null));

const PROMPT = { kind: "engine", ids: [1, 2, 3], grid: [], extra_key: "k", cache_salt: "s" };
const PROMPT_FIELDS = {
  prompt: NO_LIST.filter((value) => typeof value !== "object" || value === null),
  "prompt.kind": fc.oneof(NO_TEXT, fc.constantFrom("text", "Engine", "")),
  "prompt.ids": BAD_IDS,
  "prompt.grid": fc.oneof(
    NO_LIST,
    BAD_DIGEST.map((digest) => [digest]),
  ),
  "prompt.extra_key": fc.oneof(NO_TEXT, fc.constant("x".repeat(1_025)), fc.constant("\ud800")),
  "prompt.cache_salt": fc.oneof(NO_TEXT, fc.constant("x".repeat(1_025))),
  "prompt.more": fc.integer(),
};
const PLAN_FIELDS = {
  ...PROMPT_FIELDS,
  max_new_tokens: badInteger(0, 1_048_576),
  engine: badText(256),
  more: fc.integer(),
};
const PLAN = { prompt: PROMPT, max_new_tokens: 1, engine: "e" };

const ROUTES: readonly Route[] = [
  {
    method: "POST",
    path: "/v1/sessions",
    body: { id: "a", model: "small", retention_class: "free", ttl_ms: 1 },
    fields: {
      id: badText(256),
      model: badText(256),
      retention_class: fc.oneof(badText(63), fc.constant("none")),
      ttl_ms: badInteger(1, 600_000),
      more: fc.integer(),
    },
    required: ["model"],
  },
  {
    method: "PATCH",
    path: "/v1/sessions/a",
    body: { retention_class: "standard", ttl_ms: 1 },
    fields: {
      retention_class: badText(63),
      ttl_ms: badInteger(1, 3_600_000),
      pinned_until_ms: badInteger(0),
      more: fc.integer(),
    },
    required: [],
  },
  {
    method: "POST",
    path: "/v1/sessions/a/fork",
    body: { id: "b" },
    fields: { id: badText(256), more: fc.integer() },
    required: [],
  },
  {
    method: "POST",
    path: "/v1/sessions/a/attach",
    body: { segments: ["t-0.0"] },
    fields: {
      segments: fc.oneof(
        NO_LIST,
        badText(80).map((id) => [id]),
      ),
      more: fc.integer(),
    },
    required: ["segments"],
  },
  {
    method: "POST",
    path: "/v1/prefixes",
    body: { name: "p", session: "a", tokens: 1, everyone: false, tenants: ["red"], ttl_ms: 1 },
    fields: {
      name: badText(256),
      session: badText(256),
      tokens: badInteger(1, 1_048_576),
      everyone: BAD_BOOLEAN,
      tenants: fc.oneof(
        NO_LIST,
        badText(128).map((tenant) => [tenant]),
      ),
      ttl_ms: badInteger(1),
    },
    required: ["name", "session"],
  },
  {
    method: "POST",
    path: "/v1/sessions/a/plan",
    body: PLAN,
    fields: PLAN_FIELDS,
    required: ["prompt"],
  },
  {
    method: "POST",
    path: "/v1/sessions/a/explain",
    body: PLAN,
    fields: PLAN_FIELDS,
    required: ["prompt"],
  },
  {
    method: "POST",
    path: "/v1/turns/t/commit",
    body: {
      prompt: PROMPT,
      output_ids: [1],
      fresh_kv_cache: [
        { token_start: 0, token_length: 1, kv_uri: "file:///a", kv_start: 0, kv_length: 1 },
      ],
      engine: "e",
    },
    fields: {
      ...PROMPT_FIELDS,
      output_ids: BAD_IDS,
      fresh_kv_cache: NO_LIST,
      "fresh_kv_cache.0.token_start": badInteger(0),
      "fresh_kv_cache.0.token_length": badInteger(0),
      "fresh_kv_cache.0.kv_uri": fc.oneof(NO_TEXT, fc.constant("x".repeat(4_097))),
      "fresh_kv_cache.0.kv_start": badInteger(0),
      "fresh_kv_cache.0.kv_length": badInteger(0),
      engine: badText(256),
      more: fc.integer(),
    },
    required: ["prompt", "fresh_kv_cache"],
  },
  {
    method: "POST",
    path: "/v1/turns/t/abort",
    body: { reason: "client_gone" },
    fields: { reason: fc.oneof(NO_TEXT, fc.constantFrom("", "bored")), more: fc.integer() },
    required: [],
  },
];

const wrongField: fc.Arbitrary<Malformed> = fc.constantFrom(...ROUTES).chain((route) =>
  fc.constantFrom(...Object.entries(route.fields)).chain(([way, values]) =>
    values.map((value) => ({
      method: route.method,
      path: route.path,
      body: changed(route.body, way.split("."), value),
      field: fieldOf(way),
    })),
  ),
);

const missingField: fc.Arbitrary<Malformed> = fc
  .constantFrom(...ROUTES.filter(({ required }) => required.length > 0))
  .chain(({ method, path, body, required }) =>
    fc.constantFrom(...required).map((field) => ({
      method,
      path,
      body: Object.fromEntries(Object.entries(body).filter(([name]) => name !== field)),
      field,
      isMissing: true,
    })),
  );

const ITEM_ROUTES: readonly (readonly [string, string, string, unknown?])[] = [
  ["GET", "/v1/sessions/", ""],
  ["DELETE", "/v1/sessions/", ""],
  ["GET", "/v1/sessions/", "/segments"],
  ["POST", "/v1/sessions/", "/plan", PLAN],
  ["POST", "/v1/turns/", "/abort", {}],
  ["GET", "/v1/prefixes/", ""],
  ["DELETE", "/v1/prefixes/", ""],
  ["GET", "/v1/segments/", ""],
];

const wrongPath: fc.Arbitrary<Malformed> = fc
  .tuple(
    fc.constantFrom(...ITEM_ROUTES),
    fc.oneof(
      badName(),
      fc.nat(900).map((more) => "x".repeat(257 + more)),
    ),
  )
  .map(([[method, before, after, body], id]) => ({
    method,
    path: before + encodeURIComponent(id) + after,
    ...(body === undefined ? {} : { body }),
    field: "path.",
  }));

const wrongQuery: fc.Arbitrary<Malformed> = fc
  .constantFrom(
    ["/v1/sessions", "limit", "0", "-1", "1001", "1e2", "0x1", "ten", "", " 1", "1.5"] as const,
    ["/v1/sessions", "cursor", "", "====", "a b", "\u0000", "x".repeat(1_025)] as const,
    ["/v1/sessions", "offset", "1"] as const,
    [
      "/v1/sessions/a/explain",
      "ids",
      "",
      "a",
      "1,",
      ",1",
      "1,,2",
      "-1",
      "4294967296",
      "1.5",
    ] as const,
    ["/v1/sessions/a/explain?ids=1", "kind", "text", ""] as const,
    ["/v1/sessions/a/explain?ids=1", "extra_key", "x".repeat(1_025)] as const,
  )
  .chain(([path, name, ...values]) =>
    fc.constantFrom(...values).map((value) => ({
      method: "GET",
      path: `${path}${path.includes("?") ? "&" : "?"}${name}=${encodeURIComponent(value)}`,
      field: `query.${name}`,
    })),
  );

const twiceInQuery: fc.Arbitrary<Malformed> = fc.constantFrom("limit", "cursor").map((name) => ({
  method: "GET",
  path: `/v1/sessions?${name}=1&${name}=2`,
  field: `query.${name}`,
}));

const noJson: fc.Arbitrary<Malformed> = fc
  .tuple(
    fc.constantFrom("/v1/sessions", "/v1/sessions/a/plan", "/v1/turns/t/commit", "/v1/prefixes"),
    fc.oneof(
      fc.string(),
      fc.string({ unit: "binary" }),
      fc.json(),
      fc.constantFrom(
        "{",
        '{"__proto__":{}}',
        '{"constructor":{"prototype":{}}}',
        "[".repeat(9_999),
      ),
    ),
  )
  .map(([path, body]) => ({ method: "POST", path, body, contentType: "application/json" }));

const wrongType: fc.Arbitrary<Malformed> = fc
  .constantFrom("text/plain", "application/xml", "multipart/form-data", "x", "application/jso")
  .map((contentType) => ({ method: "POST", path: "/v1/sessions", body: "{}", contentType }));

const nowhere: fc.Arbitrary<Malformed> = fc
  .tuple(fc.constantFrom("GET", "PUT", "PATCH", "DELETE"), fc.webPath())
  .map(([method, path]) => ({ method, path: `/v2${path}` }));

export const malformed: fc.Arbitrary<Malformed> = fc.oneof(
  { weight: 12, arbitrary: wrongField },
  { weight: 1, arbitrary: missingField },
  { weight: 3, arbitrary: wrongPath },
  { weight: 2, arbitrary: wrongQuery },
  { weight: 1, arbitrary: twiceInQuery },
  { weight: 3, arbitrary: noJson },
  { weight: 1, arbitrary: wrongType },
  { weight: 1, arbitrary: nowhere },
);

function changed(value: unknown, [step, ...way]: readonly string[], to: unknown): unknown {
  if (step === undefined) return to;
  if (Array.isArray(value)) {
    return value.map((item: unknown, at) => (String(at) === step ? changed(item, way, to) : item));
  }
  const known = value as Json;
  return { ...known, [step]: changed(known[step], way, to) };
}

/** `fresh_kv_cache.0.kv_uri` is told as `fresh_kv_cache[0].kv_uri`. */
function fieldOf(way: string): string {
  return way.replaceAll(/\.(\d+)/g, "[$1]");
}
