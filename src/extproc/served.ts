/**
 * What a response says about the endpoint that gave it: corrects the binding where Envoy had to go on to a fallback, and hands
 * signs of trouble to passive health. Envoy names the host that really served in the response attribute `upstream.address`;
 * gateways of the Endpoint Picker Protocol name it in metadata.
 */
import type { MaybePromise } from "../affinity/binding-store.ts";
import type { Decision, RouteRequest } from "../affinity/router.ts";
import { HeaderNames } from "./header-names.ts";
import type { ExchangePorts } from "./exchange-ports.ts";
import type { ProcessingMessage } from "./message.ts";

export const responseHeaders = new HeaderNames([":status"]);
export const responseAttributes = new HeaderNames([
  "upstream.address",
  "upstream.request_attempt_count",
  "response.code_details",
]);

/** `upstream_reset_before_response_started{remote_connection_failure|...}` and its kin, in Envoy's response code details. */
const CONNECTION_FAILURE = /connection_failure|connection_timeout/;

type Routed = Exclude<Decision, { kind: "refused" }>;

export function observeServed(
  ports: Pick<ExchangePorts, "router" | "passive" | "observer">,
  routed: { readonly request: RouteRequest; readonly decision: Routed },
  message: ProcessingMessage,
): MaybePromise<void> {
  const [address, attempts, details] = message.attributes;
  const served = typeof address === "string" ? address : message.served;
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

function isServerError(message: ProcessingMessage): boolean {
  return Number(message.headers[0] ?? 0) >= 500;
}
