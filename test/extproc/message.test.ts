import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeaderNames } from "../../src/extproc/header-names.ts";
import { decodeMessage, type Wanted } from "../../src/extproc/message.ts";
import {
  encodeRequest,
  headerMap,
  struct,
  type ProcessingRequest,
} from "../support/published-codec.ts";

const wanted: Wanted = {
  requestHeaders: new HeaderNames(["x-session-id", "session_id", ":path", "cookie"]),
  responseHeaders: new HeaderNames([":status"]),
  attributes: new HeaderNames(["upstream.address", "upstream.request_attempt_count"]),
  subsetKey: "x-gateway-destination-endpoint-subset",
  servedKey: "x-gateway-destination-endpoint-served",
};

function decode(request: ProcessingRequest) {
  return decodeMessage(encodeRequest(request), wanted);
}

describe("decodeMessage", () => {
  it("collects the wanted request headers by index and passes over the rest", () => {
    const message = decode({
      request_headers: {
        headers: headerMap({ ":path": "/generate", host: "a", "x-session-id": "s-1" }),
        end_of_stream: true,
      },
    });
    expect(message.kind).toBe("requestHeaders");
    expect(message.endOfStream).toBe(true);
    expect([...message.headers]).toEqual(["s-1", undefined, "/generate"]);
  });

  it("prefers raw_value to value, falls back to value, and matches keys in any case [C21]", () => {
    const both = { key: "X-Session-ID", value: "text", raw_value: Buffer.from("raw") };
    const textOnly = { key: "session_id", value: "text" };
    const message = decode({ request_headers: { headers: { headers: [both, textOnly] } } });
    expect([...message.headers]).toEqual(["raw", "text"]);
  });

  it("reads a header without any value as empty, as Envoy sends an empty value", () => {
    const message = decode({
      request_headers: { headers: { headers: [{ key: "x-session-id" }] } },
    });
    expect(message.headers[0]).toBe("");
  });

  it("takes the first of a repeated header and joins repeated cookies", () => {
    const repeated = ["1", "2"].flatMap((n) => [
      { key: "x-session-id", raw_value: Buffer.from(`s${n}`) },
      { key: "cookie", raw_value: Buffer.from(`c=${n}`) },
    ]);
    const message = decode({ request_headers: { headers: { headers: repeated } } });
    expect(message.headers[0]).toBe("s1");
    expect(message.headers[3]).toBe("c=1; c=2");
  });

  it("reads the attributes of a response, strings and numbers", () => {
    const message = decode({
      response_headers: { headers: headerMap({ ":status": "503" }) },
      attributes: {
        "envoy.filters.http.ext_proc": struct({
          "upstream.address": "[::1]:80",
          "upstream.request_attempt_count": 2,
          "response.flags": 4,
        }),
      },
    });
    expect(message.kind).toBe("responseHeaders");
    expect([...message.headers]).toEqual(["503"]);
    expect([...message.attributes]).toEqual(["[::1]:80", 2]);
  });

  const subsets: [string, Parameters<typeof struct>[0], string[] | undefined][] = [
    [
      "a list [L1]",
      { [wanted.subsetKey]: ["10.0.0.1:80", "10.0.0.2:80"] },
      ["10.0.0.1:80", "10.0.0.2:80"],
    ],
    [
      "a comma string [L2]",
      { [wanted.subsetKey]: "10.0.0.1:80,10.0.0.2:80" },
      ["10.0.0.1:80,10.0.0.2:80"],
    ],
    ["an empty list [L7]", { [wanted.subsetKey]: [] }, []],
    ["a value of another type", { [wanted.subsetKey]: 7 }, []],
    ["a namespace without the key [L6]", { other: "x" }, undefined],
  ];
  it.each(subsets)("reads the subset hint from %s", (_, fields, expected) => {
    const message = decode({
      request_headers: {},
      metadata_context: { filter_metadata: { "envoy.lb.subset_hint": struct(fields) } },
    });
    expect(message.subset).toEqual(expected);
  });

  it("reads no subset hint where there is no metadata [L5]", () => {
    expect(decode({ request_headers: {} }).subset).toBeUndefined();
  });

  it("reads the served address from metadata [L15]", () => {
    const message = decode({
      response_headers: {},
      metadata_context: {
        filter_metadata: { "envoy.lb": struct({ [wanted.servedKey]: "10.0.0.2:80" }) },
      },
    });
    expect(message.served).toBe("10.0.0.2:80");
  });

  it("reads the body modes that Envoy announces, and observability mode", () => {
    const message = decode({
      request_headers: {},
      observability_mode: true,
      protocol_config: {
        request_body_mode: "BUFFERED",
        response_body_mode: "FULL_DUPLEX_STREAMED",
      },
    });
    expect(message.modes).toEqual({ requestBody: 2, responseBody: 4 });
    expect(message.isObservability).toBe(true);
  });

  it("agrees with the published codec on random bodies, headers and flags", () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
    const header = fc.record({
      key: fc.constantFrom("x-session-id", "X-Session-Id", ":path", "host", "", "x".repeat(300)),
      raw_value: bytes,
    });
    const request = fc.oneof(
      fc.record({ request_body: fc.record({ body: bytes, end_of_stream: fc.boolean() }) }),
      fc.record({ response_body: fc.record({ body: bytes, end_of_stream: fc.boolean() }) }),
      fc.record({
        request_headers: fc.record({
          headers: fc.record({ headers: fc.array(header, { maxLength: 12 }) }),
          end_of_stream: fc.boolean(),
        }),
      }),
    );
    fc.assert(
      fc.property(request, (given) => {
        const message = decode(given);
        if ("request_headers" in given) {
          const sent = given.request_headers.headers.headers;
          const first = sent.find(({ key }) => key.toLowerCase() === "x-session-id");
          expect(message.endOfStream).toBe(given.request_headers.end_of_stream);
          expect(message.headers[0]).toBe(first?.raw_value.toString("latin1"));
        } else {
          const body = "request_body" in given ? given.request_body : given.response_body;
          expect(Buffer.from(message.body)).toEqual(body.body);
          expect(message.endOfStream).toBe(body.end_of_stream);
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it("passes over fields of a newer protocol", () => {
    const known = encodeRequest({ request_body: { body: Buffer.from("b") } });
    const varint = Buffer.from([0xf8, 0x07, 0x01]); // field 127
    const fixed32 = Buffer.from([0xf5, 0x07, 1, 2, 3, 4]);
    const group = Buffer.concat([varint, fixed32, known, varint]);
    expect(Buffer.from(decodeMessage(group, wanted).body).toString()).toBe("b");
  });

  it("throws wire_invalid, or decodes, for every cut and flipped byte, and never anything else", () => {
    const whole = encodeRequest({
      request_headers: { headers: headerMap({ ":path": "/", "x-session-id": "abc" }) },
      attributes: { f: struct({ "upstream.address": "a", "upstream.request_attempt_count": 1 }) },
      metadata_context: { filter_metadata: { "envoy.lb.subset_hint": struct({ k: ["v"] }) } },
    });
    const outcomes = { decoded: 0, invalid: 0 };
    const feed = (bytes: Buffer) => {
      try {
        decodeMessage(bytes, wanted);
        outcomes.decoded++;
      } catch (reason) {
        expect(reason).toMatchObject({ code: "wire_invalid" });
        outcomes.invalid++;
      }
    };
    for (let at = 0; at < whole.length; at++) {
      feed(whole.subarray(0, at));
      for (const flip of [0x01, 0x80, 0xff]) {
        const damaged = Buffer.from(whole);
        damaged.writeUInt8(damaged.readUInt8(at) ^ flip, at);
        feed(damaged);
      }
    }
    expect(outcomes.decoded).toBeGreaterThan(20);
    expect(outcomes.invalid).toBeGreaterThan(100);
  });
});
