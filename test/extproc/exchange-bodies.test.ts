import { describe, expect, it } from "vitest";
import { createHarness, headersOf, requestHeaders } from "../support/exchange-harness.ts";
import {
  jsonBody,
  modes,
  posted,
  responseHeaders,
  streamed,
} from "../support/exchange-messages.ts";

describe("bodies and trailers", () => {
  it.each(["NONE", "STREAMED", "BUFFERED", "BUFFERED_PARTIAL"] as const)(
    "in mode %s are answered one for one, unchanged, also a repeated end of stream [C12] [C13] [C14]",
    async (mode) => {
      const exchange = createHarness().open();
      await exchange.send(posted({ "x-session-id": "s" }, modes(mode)));
      for (const endOfStream of [false, true, true]) {
        const [reply, ...more] = await exchange.send(jsonBody("chunk", endOfStream));
        expect(reply?.response).toBe("request_body");
        expect(reply?.request_body?.response ?? undefined).toBeUndefined();
        expect(more).toEqual([]);
      }
      await exchange.send(responseHeaders());
      for (const endOfStream of [false, true, true]) {
        const [reply] = await exchange.send({
          response_body: { body: Buffer.from("x"), end_of_stream: endOfStream },
        });
        expect(reply?.response).toBe("response_body");
        expect(reply?.response_body?.response ?? undefined).toBeUndefined();
      }
    },
  );

  it("in full duplex are sent back as streamed pieces with the same end of stream [C1] [C2] [C15]", async () => {
    const exchange = createHarness().open();
    await exchange.send(posted({ "x-session-id": "s" }, modes("FULL_DUPLEX_STREAMED")));
    const pieces: [string, boolean][] = [
      ["data: {}", false],
      ["data: [DONE]", false],
      ["", true],
    ];
    for (const [text, endOfStream] of pieces) {
      const [request] = await exchange.send({
        request_body: { body: Buffer.from(text), end_of_stream: endOfStream },
      });
      expect(streamed(request)).toEqual([text, endOfStream]);
    }
    await exchange.send(responseHeaders());
    for (const [text, endOfStream] of pieces) {
      const [response] = await exchange.send({
        response_body: { body: Buffer.from(text), end_of_stream: endOfStream },
      });
      expect(streamed(response)).toEqual([text, endOfStream]);
    }
  });

  it.each([
    [0, 1],
    [61_999, 1],
    [62_000, 1],
    [62_001, 2],
    [124_000, 2],
  ])(
    "in full duplex are cut into pieces of at most 62,000 bytes: %i bytes are %i [C20]",
    async (size, count) => {
      const exchange = createHarness().open();
      await exchange.send(posted({ "x-session-id": "s" }, modes("FULL_DUPLEX_STREAMED")));
      const body = Buffer.alloc(size, "abc");
      const replies = await exchange.send({ request_body: { body, end_of_stream: true } });
      expect(replies).toHaveLength(count);
      expect(
        replies
          .map(streamed)
          .map(([text]) => text)
          .join(""),
      ).toBe(body.toString());
      expect(replies.map(streamed).map(([, end]) => end)).toEqual([
        ...Array<boolean>(count - 1).fill(false),
        true,
      ]);
    },
  );

  it("in full duplex ignore a chunk that is repeated after the end, and the response goes on [C19]", async () => {
    const exchange = createHarness().open();
    await exchange.send(posted({ "x-session-id": "s" }, modes("FULL_DUPLEX_STREAMED")));
    await exchange.send(jsonBody({}));
    expect(await exchange.send(jsonBody({}))).toEqual([]);
    const [answered] = await exchange.send(responseHeaders());
    expect(headersOf(answered)["x-session-id"]).toBe("s");
    await exchange.send({ response_body: { body: Buffer.from("x"), end_of_stream: true } });
    expect(
      await exchange.send({ response_body: { body: Buffer.from("x"), end_of_stream: true } }),
    ).toEqual([]);
  });

  it("in full duplex are held with the headers while the id must come from them, then follow byte for byte", async () => {
    const { open, ports } = createHarness();
    const exchange = open();
    const body = JSON.stringify({ prompt_cache_key: "k", prompt: "x".repeat(70_000) });
    expect(await exchange.send(posted({}, modes("FULL_DUPLEX_STREAMED")))).toEqual([]);
    const half = body.length / 2;
    expect(
      await exchange.send({ request_body: { body: Buffer.from(body.slice(0, half)) } }),
    ).toEqual([]);
    expect(ports.budget.heldBytes).toBe(Math.floor(half));
    const [headers, ...pieces] = await exchange.send({
      request_body: { body: Buffer.from(body.slice(half)), end_of_stream: true },
    });
    expect(headers?.response).toBe("request_headers");
    expect(headersOf(headers)["x-session-id"]).toBe("k");
    expect(
      pieces
        .map(streamed)
        .map(([text]) => text)
        .join(""),
    ).toBe(body);
    expect(
      pieces
        .map(streamed)
        .map(([, end]) => end)
        .indexOf(true),
    ).toBe(pieces.length - 1);
    expect(ports.budget.heldBytes).toBe(0);
  });

  it("in full duplex end with trailers, and then no piece says that the body ended [C16] [C26]", async () => {
    const exchange = createHarness().open();
    await exchange.send(posted({}, modes("FULL_DUPLEX_STREAMED")));
    await exchange.send(jsonBody({ prompt_cache_key: "k" }, false));
    const replies = await exchange.send({ request_trailers: {} });
    expect(replies.map(({ response }) => response)).toEqual([
      "request_headers",
      "request_body",
      "request_trailers",
    ]);
    expect(streamed(replies[1])[1]).toBe(false);
  });

  it.each([
    ["one body", { reader: { bodyLimitBytes: 10 } }, undefined],
    ["all bodies together", {}, 10],
  ])(
    "in full duplex are let go where the limit of %s is passed; the id is minted",
    async (_, options, budgetBytes) => {
      const harness = createHarness(options);
      if (budgetBytes !== undefined)
        harness.ports.budget.tryTake(harness.ports.budget.limitBytes - budgetBytes);
      const before = harness.ports.budget.heldBytes;
      const exchange = harness.open();
      await exchange.send(posted({}, modes("FULL_DUPLEX_STREAMED")));
      const replies = await exchange.send(jsonBody({ prompt_cache_key: "k" }, false));
      expect(headersOf(replies[0])["x-session-id"]).toBe("minted-1");
      expect(streamed(replies[1])).toEqual(['{"prompt_cache_key":"k"}', false]);
      expect(harness.ports.budget.heldBytes).toBe(before);
      const [next] = await exchange.send(jsonBody("rest"));
      expect(streamed(next)).toEqual(['"rest"', true]);
    },
  );

  it.each(["STREAMED", "FULL_DUPLEX_STREAMED"] as const)(
    "are followed by trailers that are answered in both directions, in mode %s [C16]",
    async (mode) => {
      const exchange = createHarness().open();
      await exchange.send(posted({ "x-session-id": "s" }, modes(mode)));
      const [request] = await exchange.send({ request_trailers: {} });
      await exchange.send(responseHeaders());
      const [response] = await exchange.send({ response_trailers: {} });
      expect([request?.response, response?.response]).toEqual([
        "request_trailers",
        "response_trailers",
      ]);
    },
  );

  it("pass where Envoy sends no request headers at all", async () => {
    const { open, decided } = createHarness();
    const exchange = open();
    const [body] = await exchange.send(jsonBody({}));
    const [answered] = await exchange.send(responseHeaders());
    expect([body?.response, answered?.response]).toEqual(["request_body", "response_headers"]);
    expect(headersOf(answered)).toEqual({});
    expect(decided).toEqual([]);
  });
});

describe("observability mode", () => {
  it("is never answered, and binds nothing", async () => {
    const { open, decided, events } = createHarness();
    const exchange = open();
    expect(
      await exchange.send(requestHeaders({ "x-session-id": "s" }, { observability_mode: true })),
    ).toEqual([]);
    expect(await exchange.send({ ...responseHeaders(), observability_mode: true })).toEqual([]);
    expect(decided).toEqual([]);
    expect(events).toContain("observed");
  });
});
