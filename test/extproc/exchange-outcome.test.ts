import { describe, expect, it } from "vitest";
import {
  createHarness,
  DESTINATION,
  errorOf,
  headersOf,
  openExchange,
  requestHeaders,
} from "../support/exchange-harness.ts";
import {
  jsonBody,
  modes,
  posted,
  responseHeaders,
  streamed,
} from "../support/exchange-messages.ts";

describe("the endpoint that really served", () => {
  const routed = async (attributes: Record<string, string | number>, status = "200") => {
    const harness = createHarness();
    const exchange = harness.open();
    const [reply] = await exchange.send(requestHeaders({ "x-session-id": "s" }));
    const offered = headersOf(reply)[DESTINATION]?.split(",") ?? [];
    const named = Object.fromEntries(
      Object.entries(attributes).map(([key, value]) => [
        key,
        typeof value === "string"
          ? value.replace(/^#(\d)$/, (_m, n) => offered[Number(n)] ?? "")
          : value,
      ]),
    );
    await exchange.send(responseHeaders(status, named));
    return { ...harness, offered };
  };

  it("moves the binding where the first could not be connected to and a fallback served [A14] [B13]", async () => {
    const { bindingOf, offered, events } = await routed({
      "upstream.address": "#1",
      "upstream.request_attempt_count": 2,
    });
    expect(bindingOf("s")).toMatchObject({ endpoint: offered[1], generation: 2, reason: "moved" });
    expect(events).toContain(`connectFailed default ${offered[0]}`);
  });

  it("leaves the binding where it is the one decided [A15]", async () => {
    const { bindingOf, offered } = await routed({
      "upstream.address": "#0",
      "upstream.request_attempt_count": 1,
    });
    expect(bindingOf("s")).toMatchObject({ endpoint: offered[0], generation: 1 });
  });

  it.each([
    ["was not offered", { "upstream.address": "9.9.9.9:9", "upstream.request_attempt_count": 2 }],
    [
      "was offered but the first was never tried",
      { "upstream.address": "#1", "upstream.request_attempt_count": 1 },
    ],
  ])("never rebinds where it %s, and is reported", async (_, attributes) => {
    const { bindingOf, offered, events } = await routed(attributes);
    expect(bindingOf("s")).toMatchObject({ endpoint: offered[0], generation: 1 });
    expect(events.some((event) => event.startsWith("servedElsewhere default"))).toBe(true);
  });

  it("gives passive health a sign for a refused connection and for a 5xx", async () => {
    const refused = await routed(
      {
        "upstream.address": "#0",
        "response.code_details":
          "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_111}",
      },
      "503",
    );
    expect(refused.events).toContain(`connectFailed default ${refused.offered[0]}`);
    const failing = await routed(
      { "upstream.address": "#0", "response.code_details": "via_upstream" },
      "500",
    );
    expect(failing.events).toContain(`serverError default ${failing.offered[0]}`);
    const fine = await routed(
      { "upstream.address": "#0", "response.code_details": "via_upstream" },
      "404",
    );
    expect(fine.events.filter((event) => event.includes("default"))).toEqual([]);
  });
});

describe("faults", () => {
  it("end the stream cleanly by default, with the error named", async () => {
    const { open, events } = createHarness({
      wrapRoute: () => () => {
        throw new Error("boom");
      },
    });
    const exchange = open();
    expect(await exchange.send(requestHeaders())).toEqual([]);
    expect(exchange.isEnded()).toBe(true);
    expect(events).toEqual(["failed internal: boom"]);
  });

  it("are a 503 with a reason where onError says refuse", async () => {
    const { open } = createHarness({
      wrapRoute: () => () => Promise.reject(new Error("secret")),
      ports: { onError: "refuse" },
    });
    const [reply] = await open().send(requestHeaders());
    expect(errorOf(reply).code).toBe("internal_error");
    expect(JSON.stringify(errorOf(reply))).not.toContain("secret");
  });

  it("send what is held before they end the stream", async () => {
    const { open, ports } = createHarness({
      wrapRoute: () => () => Promise.reject(new Error("boom")),
    });
    const exchange = open();
    await exchange.send(posted({}, modes("FULL_DUPLEX_STREAMED")));
    await exchange.send(jsonBody("first ", false));
    const replies = await exchange.send(jsonBody("second"));
    const [headers, ...pieces] = replies;
    expect(headers?.response).toBe("request_headers");
    expect(pieces.map((piece) => streamed(piece)[0]).join("")).toBe('"first ""second"');
    expect(pieces.map((piece) => streamed(piece)[1]).indexOf(true)).toBe(pieces.length - 1);
    expect(exchange.isEnded()).toBe(true);
    expect(ports.budget.heldBytes).toBe(0);
  });

  it("that are malformed protobuf end the stream cleanly and name the cause", async () => {
    const { events, ports } = createHarness();
    const exchange = openExchange(ports);
    await exchange.exchange.message(Buffer.from([0xff, 0xff, 0xff]));
    expect(exchange.isEnded()).toBe(true);
    expect(events.find((event) => event.startsWith("failed"))).toContain(
      "wire_invalid: malformed protobuf",
    );
  });

  it("leave a stream that was reset while its decision was pending alone", async () => {
    let answer: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (answer = resolve));
    const harness = createHarness({
      wrapRoute: (route) => (request) => gate.then(() => route(request)),
    });
    const exchange = harness.open();
    const pending = exchange.send(requestHeaders({ "x-session-id": "s" }));
    exchange.exchange.cancel();
    exchange.exchange.end();
    answer?.();
    expect(await pending).toEqual([]);
    expect(harness.events).toEqual([]);
  });

  it("give held bytes back when the stream is reset", async () => {
    const { open, ports } = createHarness();
    const exchange = open();
    await exchange.send(posted({}, modes("FULL_DUPLEX_STREAMED")));
    await exchange.send(jsonBody("x", false));
    expect(ports.budget.heldBytes).toBe(3);
    exchange.exchange.cancel();
    expect(ports.budget.heldBytes).toBe(0);
  });
});
