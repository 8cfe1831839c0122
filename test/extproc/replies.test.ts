import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bodyModes } from "../../src/extproc/message.ts";
import { encodeRefusal } from "../../src/extproc/refusal.ts";
import {
  encodeAskForBodies,
  encodeBody,
  encodeContinue,
  encodeHold,
  encodeReply,
  encodeStreamedBody,
  noChanges,
} from "../../src/extproc/replies.ts";
import { decodeReply } from "../support/published-codec.ts";

const text = fc.string({
  minLength: 1,
  maxLength: 300,
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
});

describe("replies, as the published codec reads them", () => {
  it("carry header changes in raw_value only, the route cache flag and the destination metadata", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(
          "requestHeaders" as const,
          "requestBody" as const,
          "responseHeaders" as const,
        ),
        fc.record({
          set: fc.array(fc.tuple(text, text), { maxLength: 4 }),
          remove: fc.array(text, { maxLength: 3 }),
          clearRouteCache: fc.boolean(),
          destination: fc.option(fc.record({ key: text, value: text }), { nil: undefined }),
        }),
        (to, changes) => {
          const reply = decodeReply(encodeReply(to, changes));
          const field = {
            requestHeaders: "request_headers",
            requestBody: "request_body",
            responseHeaders: "response_headers",
          } as const;
          expect(reply.response).toBe(field[to]);
          const common = reply[field[to]]?.response;
          const set = common?.header_mutation?.set_headers ?? [];
          expect(
            set.map(({ header }) => [header?.key, header?.raw_value?.toString("latin1")]),
          ).toEqual(changes.set.toReversed());
          expect(
            set.every(({ header }) => header?.value === undefined || header.value === ""),
          ).toBe(true);
          expect(common?.header_mutation?.remove_headers ?? []).toEqual(
            changes.remove.toReversed(),
          );
          expect(common?.clear_route_cache ?? false).toBe(changes.clearRouteCache);
          const lb = reply.dynamic_metadata?.fields?.["envoy.lb"]?.structValue?.fields;
          const { destination } = changes;
          expect(destination && lb?.[destination.key]?.stringValue).toBe(destination?.value);
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  it("ask for the body in one piece and leave the response headers on", () => {
    const reply = decodeReply(
      encodeAskForBodies({ request: bodyModes.buffered, response: bodyModes.streamed }, ["x-a"]),
    );
    expect(reply.response).toBe("request_headers");
    expect(reply.mode_override).toMatchObject({
      request_header_mode: "SEND",
      response_header_mode: "SEND",
      request_body_mode: "BUFFERED",
      response_body_mode: "STREAMED",
      request_trailer_mode: "SKIP",
      response_trailer_mode: "SEND",
    });
    expect(reply.request_headers?.response?.header_mutation?.remove_headers).toEqual(["x-a"]);
  });

  it("of a large body keep no buffer of its size for those after them", () => {
    encodeBody("requestBody", noChanges, [new Uint8Array(2 * 1024 * 1024)]);
    expect(encodeHold(1).buffer.byteLength).toBeLessThanOrEqual(16 * 1024);
  });

  it.each([
    ["requestHeaders", "request_headers"],
    ["responseHeaders", "response_headers"],
    ["requestBody", "request_body"],
    ["responseBody", "response_body"],
    ["requestTrailers", "request_trailers"],
    ["responseTrailers", "response_trailers"],
  ] as const)("go on from %s with its own reply and no change", (kind, field) => {
    const reply = decodeReply(encodeContinue(kind));
    expect(reply.response).toBe(field);
    expect(JSON.stringify(reply[field])).not.toContain("mutation");
  });

  it("send full duplex pieces as streamed_response, whatever their size", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 62_000 }), fc.boolean(), (size, endOfStream) => {
        const piece = Buffer.alloc(size, "x");
        const reply = decodeReply(encodeStreamedBody("responseBody", piece, endOfStream));
        const streamed = reply.response_body?.response?.body_mutation?.streamed_response;
        expect(streamed?.body?.length ?? 0).toBe(size);
        expect(streamed?.end_of_stream ?? false).toBe(endOfStream);
      }),
      {
        seed: 3,
        numRuns: 60,
        examples: [
          [0, true],
          [127, false],
          [128, false],
          [16_383, true],
          [16_384, true],
        ],
      },
    );
  });

  it("refuse with a status, a JSON error, the reason and the session id", () => {
    const reply = decodeReply(encodeRefusal({ code: "model_unknown", message: "no" }, "s-1"));
    const immediate = reply.immediate_response;
    expect(immediate?.status?.code).toBe("NotFound");
    expect(JSON.parse(immediate?.body?.toString() ?? "")).toEqual({
      error: { code: "model_unknown", message: "no" },
    });
    const headers = immediate?.headers?.set_headers?.map(
      ({ header }) => `${header?.key}: ${header?.raw_value?.toString()}`,
    );
    expect(headers?.toSorted()).toEqual([
      "content-type: application/json",
      "x-moorline-reason: model_unknown",
      "x-session-id: s-1",
    ]);
    expect(immediate?.details).toBe("moorline_model_unknown");
  });

  it("grow past the writer's first buffer without losing a byte", () => {
    const long = "v".repeat(50_000);
    const reply = decodeReply(
      encodeReply("requestHeaders", {
        ...noChanges,
        set: [
          ["a", long],
          ["b", "w"],
        ],
      }),
    );
    const set = reply.request_headers?.response?.header_mutation?.set_headers;
    expect(set?.map(({ header }) => header?.raw_value?.length)).toEqual([1, 50_000]);
  });
});
