/**
 * What a client hears when its request cannot be routed: one JSON shape, one reason header, one status per reason.
 * `{"error":{"code":"session_id_invalid","message":"..."}}`; the code is also the value of `x-moorline-reason`.
 */
import type { RefusalReason } from "../affinity/router.ts";
import { SESSION_ID_HEADER } from "../affinity/session-key.ts";
import { encodeImmediate } from "./replies.ts";

export type RefusalCode =
  | RefusalReason
  | "session_id_invalid" // `x-session-id` is not 1-256 visible ASCII bytes
  | "tenant_invalid" // the tenant header is not 1-128 visible ASCII bytes
  | "model_invalid" // the model, in its header or in the body, is not 1-256 visible ASCII bytes
  | "model_missing" // several pools, and neither the header nor the body names a model
  | "model_unknown" // no pool serves the model, and there is no default pool
  // The body must be read, because the model must come from it, or because its pool has KV:
  | "body_invalid" // and it is no JSON
  | "body_encoded" // and it has a content-encoding
  | "body_too_large" // and it is over the limit
  | "body_budget_full" // and too many bodies are being read already
  | "body_unread" // and Envoy did not show it
  | "upgrade_refused" // and what follows is no body but another protocol
  | "path_forbidden" // what the path leads to at an engine is Moorline's alone
  | "answer_encoded" // the engine's answer to a turn has a content-encoding, so what is ours cannot be taken out of it
  | "internal_error"; // a fault of ours, with `extproc.onError: refuse` or in a pool with KV

/** docs/errors.md lists them; a test compares the two. */
export const refusalStatuses = {
  no_endpoints: 503,
  no_ready_endpoint: 503,
  subset_empty: 503,
  subset_no_match: 503,
  session_id_invalid: 400,
  tenant_invalid: 400,
  model_invalid: 400,
  model_missing: 400,
  model_unknown: 404,
  body_invalid: 400,
  body_encoded: 415,
  body_too_large: 413,
  body_budget_full: 429,
  body_unread: 503,
  upgrade_refused: 403,
  path_forbidden: 403,
  answer_encoded: 502,
  internal_error: 503,
} as const satisfies Record<RefusalCode, number>;

export interface Refusal {
  readonly code: RefusalCode;
  /** For people; names the field, the value's length and the limit, never the value. */
  readonly message: string;
  /** The client's own id, where it is known before the exchange knows it. */
  readonly sessionId?: string | undefined;
}

/** Of a body that must be read because its pool has KV, or may have. */
export const bodyRefusals = {
  encoded: {
    code: "body_encoded",
    message: "the body must be read and cannot be: it has a content-encoding",
  },
  budgetFull: {
    code: "body_budget_full",
    message: "the body must be read, and too many bodies are being read already",
  },
  unread: { code: "body_unread", message: "the body must be read, and Envoy did not show it" },
  upgrade: {
    code: "upgrade_refused",
    message: "the body must be read, and a request for another protocol has none that ends",
  },
  tooLarge: (limitBytes: number) => ({
    code: "body_too_large",
    message: `the body must be read and is too large: the limit is ${limitBytes} bytes`,
  }),
  invalid: (offset: number) => ({
    code: "body_invalid",
    message: `the body must be one JSON text in UTF-8; the first byte that does not fit is at offset ${offset}`,
  }),
} as const satisfies Record<string, Refusal | ((value: number) => Refusal)>;

export const pathForbidden: Refusal = {
  code: "path_forbidden",
  message: "what this path leads to is not open to clients",
};

export const answerEncoded: Refusal = {
  code: "answer_encoded",
  message: "the engine's answer has a content-encoding, though none was asked for",
};

/** The name of the header that carries the refusal's code. */
export const REASON_HEADER = "x-moorline-reason";

/** `sessionId` is echoed, as on every response; undefined only where the client's own id is what is wrong. */
export function encodeRefusal(refusal: Refusal, sessionId: string | undefined): Uint8Array {
  const { code, message } = refusal;
  const echo = sessionId === undefined ? [] : [[SESSION_ID_HEADER, sessionId] as const];
  return encodeImmediate({
    status: refusalStatuses[code],
    set: [["content-type", "application/json"], [REASON_HEADER, code], ...echo],
    body: Buffer.from(JSON.stringify({ error: { code, message } })),
    details: `moorline_${code}`,
  });
}
