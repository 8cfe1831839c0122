/** The ext_proc filter of a bootstrap, as far as tests change it. */
import type { Bootstrap } from "../../envoy/bootstrap.ts";

export interface ExtProcFilter {
  allow_mode_override: boolean;
  message_timeout: string;
  processing_mode: Record<string, string>;
}

export function extProcFilterOf({ static_resources: { listeners } }: Bootstrap): ExtProcFilter {
  const filter: unknown = listeners
    .flatMap((listener) => listener.filter_chains.flatMap(({ filters }) => filters))
    .flatMap(({ typed_config: manager }) => manager.http_filters)
    .find(({ name }) => name === "envoy.filters.http.ext_proc");
  return (filter as { readonly typed_config: ExtProcFilter }).typed_config;
}

export function streamInFullDuplex({ processing_mode: modes }: ExtProcFilter): void {
  modes["request_body_mode"] = "FULL_DUPLEX_STREAMED";
  modes["response_body_mode"] = "FULL_DUPLEX_STREAMED";
  modes["request_trailer_mode"] = "SEND";
  modes["response_trailer_mode"] = "SEND";
}
