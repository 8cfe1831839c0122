/** Lets the requests of tests say which engine they are for, as a gateway does with its subset hint. */
import type { Bootstrap } from "../../envoy/bootstrap.ts";
import type { ComputingStack } from "./computing-stack.ts";

const HEADER = "x-wanted-engine";

/** For `adapt` of a stack: Envoy tells Moorline the address in the header as the one that is allowed. */
export function withEngineChoice({ static_resources: { listeners } }: Bootstrap): void {
  const managers = listeners.flatMap(({ filter_chains: chains }) =>
    chains.flatMap(({ filters }) => filters.map(({ typed_config: manager }) => manager)),
  );
  for (const manager of managers) manager.http_filters.unshift(choiceFilter);
}

/** The header for a request to this engine. */
export function onlyAt({ addresses }: ComputingStack, name: string): Record<string, string> {
  const address = addresses.get(name);
  if (address === undefined) throw new Error(`no engine ${name}`);
  return { [HEADER]: address };
}

const choiceFilter = {
  name: "envoy.filters.http.header_to_metadata",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config",
    request_rules: [
      {
        header: HEADER,
        on_header_present: {
          metadata_namespace: "envoy.lb.subset_hint",
          key: "x-gateway-destination-endpoint-subset",
        },
        remove: true,
      },
    ],
  },
};
