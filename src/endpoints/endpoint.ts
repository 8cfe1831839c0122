/**
 * One serving process. `id` is its stable name: it is what the ring hashes and what bindings store, so an endpoint that
 * keeps its id keeps its sessions. By default the id is the address.
 */

declare const endpointIdBrand: unique symbol;
export type EndpointId = string & { readonly [endpointIdBrand]: true };

/**
 * `ready` takes sessions. `draining` keeps the sessions that it has until its drain deadline and takes no new one.
 * `down` serves nobody: its sessions move.
 */
export type EndpointState = "ready" | "draining" | "down";

/** What discovery knows of an endpoint; health is no part of it. */
export interface EndpointSpec {
  readonly id: EndpointId;
  /** An IPv4 or IPv6 literal without brackets. Host names are refused: Envoy takes addresses only. */
  readonly host: string;
  readonly port: number;
  /** Share of sessions against the other endpoints of the pool. <= 0 takes no new session. */
  readonly weight: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Asked to drain by the operator. */
  readonly isDraining: boolean;
}

export interface Endpoint extends EndpointSpec {
  /** `ip:port`, IPv6 in brackets: the form that Envoy and the Endpoint Picker Protocol use. */
  readonly address: string;
  readonly state: EndpointState;
}

/** `ip:port` with IPv6 in brackets. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
