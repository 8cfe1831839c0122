/**
 * What a response says about the endpoint that gave it: corrects the binding where Envoy had to go on to a fallback, and hands
 * signs of trouble to passive health. Envoy names the host that really served in the response attribute `upstream.address`;
 * gateways of the Endpoint Picker Protocol name it in metadata.
 */
import type { MaybePromise } from "../affinity/binding-store.ts";
import type { AnswerHead } from "../kv/path/turn-path.ts";
import { HeaderNames } from "./header-names.ts";
import type { ExchangePorts } from "./exchange-ports.ts";
import type { ProcessingMessage } from "./message.ts";
import type { Routed } from "./route.ts";

export const responseHeaders = new HeaderNames([":status", "content-type", "content-encoding"]);
export const responseAttributes = new HeaderNames([
  "upstream.address",
  "upstream.request_attempt_count",
  "response.code_details",
]);

/** `upstream_reset_before_response_started{remote_connection_failure|...}` and its kin, in Envoy's response code details. */
const CONNECTION_FAILURE = /connection_failure|connection_timeout/;

export function observeServed(
  ports: Pick<ExchangePorts, "router" | "passive" | "observer">,
  routed: Routed,
  message: ProcessingMessage,
): MaybePromise<void> {
  const [, attempts, details] = message.attributes;
  const served = servedBy(message);
  if (served === undefined) return;

  const { request, decision } = routed;
  const pool = request.pool.name;
  const first = decision.endpoint;
  const failed = typeof details === "string" && CONNECTION_FAILURE.test(details);

  if (served === first.address) {
    if (failed) ports.passive.connectFailed(pool, first.id);
    else if (isServerError(message)) ports.passive.serverError(pool, first.id);
    return;
  }
  const fallback = decision.fallbacks.find((endpoint) => endpoint.address === served);
  const wasRetried = typeof attempts === "number" ? attempts > 1 : false;
  if (fallback === undefined || !wasRetried) {
    ports.observer.servedElsewhere(pool, served);
    return;
  }
  ports.passive.connectFailed(pool, first.id);
  if (failed) {
    ports.passive.connectFailed(pool, fallback.id);
    return;
  }
  if (isServerError(message)) ports.passive.serverError(pool, fallback.id);
  return ports.router.correct(request, decision, fallback);
}

/** Of a response headers message. */
export function answerHead(message: ProcessingMessage): AnswerHead {
  const [status, contentType, contentEncoding] = message.headers;
  const attempts = message.attributes[1];
  return {
    status: Number(status ?? 0),
    contentType: contentType ?? "",
    contentEncoding: contentEncoding ?? "",
    servedBy: isLocalReply(message) ? undefined : servedBy(message),
    attempts: typeof attempts === "number" ? attempts : undefined,
  };
}

/** Envoy answered by itself, and says so. */
export function isLocalReply(message: ProcessingMessage): boolean {
  const details = message.attributes[2];
  return typeof details === "string" && details !== "via_upstream";
}

function servedBy(message: ProcessingMessage): string | undefined {
  const [address] = message.attributes;
  return typeof address === "string" ? address : message.served;
}

function isServerError(message: ProcessingMessage): boolean {
  return Number(message.headers[0] ?? 0) >= 500;
}
