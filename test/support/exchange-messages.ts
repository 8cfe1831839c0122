/** Messages as Envoy sends them, for tests of the exchange. */
import { DESTINATION, requestHeaders } from "./exchange-harness.ts";
import { headerMap, struct, type ProcessingResponse__Output } from "./published-codec.ts";

export const SUBSET = `${DESTINATION}-subset`;
export const responseHeaders = (
  status = "200",
  attributes: Record<string, string | number> = {},
) => ({
  response_headers: { headers: headerMap({ ":status": status }) },
  attributes: { "envoy.filters.http.ext_proc": struct(attributes) },
});
export const jsonBody = (value: unknown, endOfStream = true) => ({
  request_body: { body: Buffer.from(JSON.stringify(value)), end_of_stream: endOfStream },
});
export const posted = (headers = {}, more = {}) =>
  requestHeaders(headers, { endOfStream: false, ...more });
export const modes = (
  request: "NONE" | "STREAMED" | "BUFFERED" | "BUFFERED_PARTIAL" | "FULL_DUPLEX_STREAMED",
  response = request,
) => ({
  protocol_config: { request_body_mode: request, response_body_mode: response },
});

/** The bytes and the end of stream of a full duplex reply. */
export function streamed(reply: ProcessingResponse__Output | undefined): [string, boolean] {
  const body = (reply?.request_body ?? reply?.response_body)?.response?.body_mutation
    ?.streamed_response;
  return [body?.body?.toString() ?? "", body?.end_of_stream ?? false];
}
