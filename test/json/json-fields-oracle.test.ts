import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileFieldPaths, scanJsonFields } from "../../src/json/json-fields.ts";
import { jsonText } from "./json-oracle.ts";

const encoder = new TextEncoder();

/** What `JSON.parse` finds at a path, by own properties only. */
function lookup(value: unknown, path: string): string | undefined {
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    value = Object.getOwnPropertyDescriptor(value, key)?.value;
  }
  return typeof value === "string" ? value : undefined;
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function oracle(body: Uint8Array, paths: readonly string[]) {
  try {
    const value: unknown = JSON.parse(strict.decode(body));
    return { kind: "fields", values: paths.map((path) => lookup(value, path)) };
  } catch {
    return { kind: "unreadable" };
  }
}

function expectAgreement(body: Uint8Array): void {
  const paths = ["a", "a.b", "a.b.a", "b.a", "é", "a"];
  const result = scanJsonFields(body, compileFieldPaths(paths));
  if (result.kind === "unreadable") expect(result.offset).toBeLessThanOrEqual(body.length);
  expect(result).toMatchObject(oracle(body, paths));
}

const json = jsonText(["a", "b", "é", "ab", "", "__proto__"]);

describe("against JSON.parse", () => {
  it("agrees on every valid text", () => {
    fc.assert(
      fc.property(json, (body) => expectAgreement(encoder.encode(body))),
      { seed: 3, numRuns: 3_000 },
    );
  });

  it("agrees on texts with a byte changed, added or taken away", () => {
    const bytes = encoder.encode('{}[]",:\\ 019.eE+-utnf\n\0\x1f\x7f');
    const byte = fc.oneof(fc.constantFrom(...bytes), fc.integer({ min: 0x80, max: 0xff }));
    const edit = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      cut: fc.nat(2),
      byte: fc.option(byte),
    });
    fc.assert(
      fc.property(json, fc.array(edit, { minLength: 1, maxLength: 3 }), (body, edits) => {
        const mutated = [...encoder.encode(body)];
        for (const { at, cut, byte: added } of edits) {
          mutated.splice(Math.floor(at * mutated.length), cut, ...(added === null ? [] : [added]));
        }
        expectAgreement(Uint8Array.from(mutated));
      }),
      { seed: 4, numRuns: 10_000 },
    );
  });

  it("agrees on every text cut short", () => {
    fc.assert(
      fc.property(json, (body) => {
        const bytes = encoder.encode(body);
        for (let length = 0; length < bytes.length; length++)
          expectAgreement(bytes.subarray(0, length));
      }),
      { seed: 5, numRuns: 100 },
    );
  });

  it("agrees on strings of any bytes", () => {
    const byte = fc.oneof(
      fc.constantFrom(
        0x20,
        0x41,
        0x5c,
        0x22,
        0x75,
        0x30,
        0xc2,
        0xe0,
        0xe1,
        0xed,
        0xef,
        0xf0,
        0xf4,
        0x80,
        0x8f,
        0x90,
        0x9f,
        0xa0,
        0xbf,
      ),
      fc.integer({ min: 0, max: 0xff }),
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 10 }), (bytes) =>
        expectAgreement(
          Uint8Array.from([...encoder.encode(`{"a":"`), ...bytes, ...encoder.encode(`"}`)]),
        ),
      ),
      { seed: 6, numRuns: 20_000 },
    );
  });

  it("agrees on every pair of bytes in a string, at every place in a word", () => {
    for (let pad = 0; pad < 4; pad++) {
      for (let pair = 0; pair < 0x1_0000; pair += 7) {
        const body = encoder.encode(`{"a":"${"x".repeat(pad)}12345678"}`);
        body[6 + pad] = pair >> 8;
        body[7 + pad] = pair & 0xff;
        expectAgreement(body);
      }
    }
    expect.hasAssertions();
  });
});
