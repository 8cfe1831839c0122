import { formatAddress, type Endpoint, type EndpointId } from "../../src/endpoints/endpoint.ts";

export function endpointAt(host: string, port: number): Endpoint {
  const address = formatAddress(host, port);
  return {
    id: address as EndpointId,
    host,
    port,
    address,
    weight: 1,
    labels: {},
    isDraining: false,
    state: "ready",
  };
}
