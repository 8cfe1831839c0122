import { describe, expect, it } from "vitest";
import { encodeRefusal } from "../../src/extproc/refusal.ts";
import type { RefusalCode } from "../../src/extproc/refusal.ts";
import {
  createHarness,
  errorOf,
  headersOf,
  poolOf,
  requestHeaders,
} from "../support/exchange-harness.ts";
import { decodeReply } from "../support/published-codec.ts";

const statuses = {
  no_endpoints: "ServiceUnavailable",
  no_ready_endpoint: "ServiceUnavailable",
  subset_empty: "ServiceUnavailable",
  subset_no_match: "ServiceUnavailable",
  session_id_invalid: "BadRequest",
  tenant_invalid: "BadRequest",
  model_invalid: "BadRequest",
  model_missing: "BadRequest",
  model_unknown: "NotFound",
  body_invalid: "BadRequest",
  body_encoded: "UnsupportedMediaType",
  body_too_large: "PayloadTooLarge",
  body_budget_full: "TooManyRequests",
  body_unread: "ServiceUnavailable",
  upgrade_refused: "Forbidden",
  path_forbidden: "Forbidden",
  answer_encoded: "BadGateway",
  internal_error: "ServiceUnavailable",
} as const satisfies Record<RefusalCode, string>;

describe("a refusal", () => {
  it.each(Object.entries(statuses) as [RefusalCode, string][])(
    "for %s is %s, with the reason in the header and in JSON [C25]",
    (code, status) => {
      const reply = decodeReply(encodeRefusal({ code, message: "why" }, "s-1"));
      expect(reply.immediate_response?.status?.code).toBe(status);
      expect(errorOf(reply)).toEqual({ code, message: "why" });
      expect(headersOf(reply)).toEqual({
        "content-type": "application/json",
        "x-moorline-reason": code,
        "x-session-id": "s-1",
      });
    },
  );

  it("for want of a model binds nothing [A13]", async () => {
    const pools = [poolOf("small", { "10.0.1.1:80": "ready" })];
    const harness = createHarness({ pools, models: { m: "small" } });
    const exchange = harness.open();
    await exchange.send(requestHeaders({ "x-session-id": "s" }, { endOfStream: false }));
    const body = Buffer.from('{"messages":[]}');
    const [reply] = await exchange.send({ request_body: { body, end_of_stream: true } });
    expect(errorOf(reply).code).toBe("model_missing");
    expect(harness.bindingOf("s", "small")).toBeUndefined();
    expect(harness.decided).toEqual([]);
  });

  it("is the last word: what comes after it is not answered", async () => {
    const exchange = createHarness({ pools: [poolOf("default", {})] }).open();
    await exchange.send(requestHeaders({ "x-session-id": "s" }, { endOfStream: false }));
    expect(await exchange.send({ request_body: { end_of_stream: true } })).toEqual([]);
    expect(await exchange.send({ response_headers: {} })).toEqual([]);
  });
});
