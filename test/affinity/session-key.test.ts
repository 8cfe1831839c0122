import { describe, expect, it } from "vitest";
import {
  cookieValue,
  createSessionKeyReader,
  parseField,
  skippableSources,
} from "../../src/affinity/session-key.ts";
import type { SessionSources } from "../../src/affinity/session-key.ts";

const rule = { field: "x-session-id", limitBytes: 256 };

const harnessHeaders = [
  "x-session-id",
  "x-claude-code-session-id",
  "x-session-affinity",
  "session-id",
  "session_id",
];

function openReader(sources: Partial<SessionSources>) {
  const skipped: string[] = [];
  const headers = sources.headers ?? harnessHeaders;
  const reader = createSessionKeyReader(
    { headers, cookie: null, bodyFields: [], ...sources },
    (source) => skipped.push(source),
  );
  const fromHeaders = (sent: Readonly<Record<string, string>>, cookieHeader?: string) =>
    reader.fromHeaders(
      headers.map((name) => sent[name]),
      cookieHeader,
    );
  return { reader, fromHeaders, skipped };
}

describe("a field", () => {
  it.each([
    ["a header that was not sent", undefined],
    ["an empty value", ""],
    ["white space only", " \t \v\f\r\n "],
    ["257 spaces", " ".repeat(257)],
  ])("is absent: %s [A4] [B17] [R10]", (_claim, raw) => {
    expect(parseField(raw, rule)).toBeUndefined();
  });

  it.each([
    ["one byte", "a"],
    ["255 bytes", "a".repeat(255)],
    ["256 bytes", "a".repeat(256)],
    ["the first and the last visible character", "!~"],
    ["what a client may think up", 'a,b;c="d"\\{}%00'],
  ])("is taken as it is: %s [R9]", (_claim, raw) => {
    expect(parseField(raw, rule)).toBe(raw);
  });

  it("is trimmed of ASCII white space on both sides [B18]", () => {
    expect(parseField(" \t\v\f abc \r\n", rule)).toBe("abc");
  });

  it("is measured after trimming", () => {
    expect(parseField(` ${"a".repeat(256)} `, rule)).toBe("a".repeat(256));
  });

  it.each([
    ["257 bytes", "a".repeat(257), 257],
    ["64 KiB", "a".repeat(65_536), 65_536],
    ["a space inside", "a b", 3],
    ["NUL", "a\0b", 3],
    ["a newline inside", "a\nb", 3],
    ["DEL", "a\x7f", 2],
    ["UTF-8 as latin1 bytes", " \xc3\xa9 ", 2],
    ["a no-break space, which is no ASCII white space", "\xa0", 1],
  ])("is unusable: %s [R9]", (_claim, raw, lengthBytes) => {
    expect(parseField(raw, rule)).toEqual({ field: "x-session-id", lengthBytes, limitBytes: 256 });
  });

  it("keeps to the limit of its rule", () => {
    const tenant = { field: "x-tenant", limitBytes: 128 };

    expect(parseField("t".repeat(128), tenant)).toBe("t".repeat(128));
    expect(parseField("t".repeat(129), tenant)).toEqual({ ...tenant, lengthBytes: 129 });
  });
});

describe("headers", () => {
  it("give no id when none is sent [A4] [B17] [R10]", () => {
    expect(openReader({}).fromHeaders({})).toBeUndefined();
  });

  it("give the id that x-session-id holds [A16] [A18] [B17]", () => {
    expect(openReader({}).fromHeaders({ "x-session-id": " abc " })).toBe("abc");
  });

  it("give x-session-id before the header of a harness [B21]", () => {
    const { fromHeaders } = openReader({});

    expect(fromHeaders({ "x-claude-code-session-id": "claude", "x-session-id": "own" })).toBe(
      "own",
    );
  });

  it("rank the harnesses as configured: each is beaten by all before it [B19]", () => {
    const { fromHeaders } = openReader({});
    const sent = Object.fromEntries(
      harnessHeaders.map((name) => [name, `id of ${name}`.replaceAll(" ", "-")]),
    );

    const winners = harnessHeaders.map((_name, i) =>
      fromHeaders(Object.fromEntries(Object.entries(sent).slice(i))),
    );

    expect(winners).toEqual(Object.values(sent));
  });

  it("fall through to the next one when a value is empty or white space [B17]", () => {
    const { fromHeaders, skipped } = openReader({});

    expect(
      fromHeaders({ "x-session-id": "  ", "x-session-affinity": "", session_id: "codex" }),
    ).toBe("codex");
    expect(skipped).toEqual([]);
  });

  it("are those that are configured and no others [A10] [B2]", () => {
    const { reader } = openReader({ headers: ["x-custom-id"] });

    expect(reader.fromHeaders(["mine"], undefined)).toBe("mine");
    expect(reader.fromHeaders([undefined, "default"], undefined)).toBeUndefined();
  });

  it("refuse an unusable x-session-id, whatever else there is, and name its length and the limit", () => {
    const { fromHeaders, skipped } = openReader({ cookie: "sid" });

    const id = fromHeaders(
      { "x-session-id": "a".repeat(257), "x-claude-code-session-id": "claude" },
      "sid=cookie",
    );

    expect(id).toEqual({ field: "x-session-id", lengthBytes: 257, limitBytes: 256 });
    expect(skipped).toEqual([]);
  });

  it("skip and report an unusable value of any other header [R9]", () => {
    const { fromHeaders, skipped } = openReader({});

    const id = fromHeaders({
      "x-claude-code-session-id": "a".repeat(257),
      "x-session-affinity": "two words",
      "session-id": "codex",
    });

    expect(id).toBe("codex");
    expect(skipped).toEqual(["header x-claude-code-session-id", "header x-session-affinity"]);
  });
});

describe("a cookie source", () => {
  it("gives the id when no header does [B18]", () => {
    const { fromHeaders } = openReader({ cookie: "sid" });

    expect(fromHeaders({}, "a=1; sid=abc; b=2")).toBe("abc");
    expect(fromHeaders({ session_id: "codex" }, "sid=abc")).toBe("codex");
  });

  it("is off unless it is configured", () => {
    expect(openReader({}).fromHeaders({}, "null=abc; sid=abc")).toBeUndefined();
  });

  it("is absent without a cookie header", () => {
    expect(openReader({ cookie: "sid" }).fromHeaders({})).toBeUndefined();
  });

  it("is skipped and reported when its value is unusable", () => {
    const { fromHeaders, skipped } = openReader({ cookie: "sid" });

    expect(fromHeaders({}, `sid=${"a".repeat(257)}`)).toBeUndefined();
    expect(skipped).toEqual(["cookie sid"]);
  });
});

describe("a cookie header", () => {
  it.each([
    ["one cookie", "sid=abc", "abc"],
    ["among others", "a=1; sid=abc; b=2", "abc"],
    ["without spaces", "a=1;sid=abc;b=2", "abc"],
    ["the first of two", "sid=one; sid=two", "one"],
    ["trimmed", "  sid = abc  ", "abc"],
    ["quoted", 'sid="abc"', "abc"],
    ["half quoted", 'sid="abc', '"abc'],
    ["one quote", 'sid="', '"'],
    ["an equals sign in the value", "sid=a=b==", "a=b=="],
    ["empty", "sid=; sid=two", ""],
    ["behind malformed pairs", ";; sid ; =x; sidabc; sid=abc", "abc"],
  ])("gives the value: %s [B18]", (_claim, header, value) => {
    expect(cookieValue(header, "sid")).toBe(value);
  });

  it.each([
    ["an empty header", ""],
    ["another cookie", "a=1"],
    ["a longer name", "sidecar=1; xsid=2"],
    ["another case", "SID=abc"],
    ["no equals sign", "sid"],
    ["a name inside a value", "a=sid=abc"],
  ])("gives nothing: %s [B18]", (_claim, header) => {
    expect(cookieValue(header, "sid")).toBeUndefined();
  });

  it.each([
    ["semicolons", ";"],
    ["spaces", " "],
    ["names without a value", "sid;"],
    ["names with spaces", "sid  "],
  ])("of 4 MiB of %s is read in linear time", (_claim, unit) => {
    // Quadratic work on this length would take minutes: the test's time limit is the assertion behind this one.
    const header = unit.repeat(4_194_304 / unit.length);

    expect(cookieValue(`${header};sid=abc`, "sid")).toBe("abc");
  });
});

describe("body fields", () => {
  const bodyFields = ["session_params.id", "prompt_cache_key"];

  it("give the first usable one as configured [R8]", () => {
    const { reader } = openReader({ bodyFields });

    expect(reader.fromBody(["a", "b"])).toBe("a");
    expect(reader.fromBody([undefined, " b "])).toBe("b");
    expect(reader.fromBody([undefined, undefined])).toBeUndefined();
  });

  it("are skipped and reported when unusable, falling through to the next [B17] [R9]", () => {
    const { reader, skipped } = openReader({ bodyFields });

    expect(reader.fromBody(["ключ", "b"])).toBe("b");
    expect(reader.fromBody(["", "a".repeat(257)])).toBeUndefined();
    expect(skipped).toEqual(["body session_params.id", "body prompt_cache_key"]);
  });

  it("never refuse, even where one is called like the header", () => {
    const { reader, skipped } = openReader({ bodyFields: ["x-session-id"] });

    expect(reader.fromBody(["two words"])).toBeUndefined();
    expect(skipped).toEqual(["body x-session-id"]);
  });
});

it("the skippable sources are all configured ones but x-session-id, named as they are reported", () => {
  const sources = { headers: harnessHeaders, cookie: "sid", bodyFields: ["a", "b.c"] };
  const { reader, fromHeaders, skipped } = openReader(sources);
  const unusable = "a b";
  const sent = harnessHeaders.slice(1).map((name) => [name, unusable] as const);
  fromHeaders(Object.fromEntries(sent), `sid=${unusable}`);
  reader.fromBody([unusable, unusable]);
  expect(skipped).toHaveLength(7);
  expect(skippableSources(sources)).toEqual(skipped);
  expect(skippableSources({ ...sources, cookie: null })).toHaveLength(6);
});
