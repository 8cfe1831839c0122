/**
 * Endpoint items from outside, as the configuration and endpoints files write them: `"10.0.0.1:8000"`, `"[fd00::1]:8000"`
 * or `{ address, id, weight, labels, draining }`. Pure: one list of values in, the specs or every problem out, so that an
 * operator mends a file once and not line by line.
 */
import { isIPv4, isIPv6, SocketAddress } from "node:net";
import { formatAddress, type EndpointId, type EndpointSpec } from "./endpoint.ts";

export const endpointLimits = {
  endpoints: 10_000,
  idLength: 128,
  /** Of either sign. <= 0 is allowed and takes no new session. */
  weight: 1_000_000,
  labels: 32,
  labelLength: 128,
} as const;

export interface ParsedEndpoints {
  /** In the order of the list, ids and addresses unique. Empty where there is any problem: half a list is no list. */
  readonly specs: readonly EndpointSpec[];
  /** Each names the path, the value and the rule: `endpoints[3].address "foo:80": host must be ...`. */
  readonly problems: readonly string[];
}

const itemKeys = ["address", "id", "weight", "labels", "draining"] as const;
type Item = Readonly<Record<(typeof itemKeys)[number], unknown>>;

/** `path` is where the list stands in its document, such as `pools[0].endpoints`. */
export function parseEndpointItems(value: unknown, path: string): ParsedEndpoints {
  if (!Array.isArray(value)) return { specs: [], problems: [`${path}: must be a list`] };
  if (value.length > endpointLimits.endpoints) {
    const rule = `has ${value.length} endpoints, at most ${endpointLimits.endpoints} are allowed`;
    return { specs: [], problems: [`${path}: ${rule}`] };
  }
  const problems: string[] = [];
  const specs = value.flatMap((item: unknown, index) => {
    const spec = parseItem(item, { path: `${path}[${index}]`, problems });
    return spec === undefined ? [] : [{ spec, path: `${path}[${index}]` }];
  });
  noteDuplicates(specs, problems);
  return problems.length > 0
    ? { specs: [], problems }
    : { specs: specs.map(({ spec }) => spec), problems };
}

/** Where an item stands, and where its problems go. */
interface Place {
  readonly path: string;
  readonly problems: string[];
}

function parseItem(value: unknown, place: Place): EndpointSpec | undefined {
  if (typeof value === "string") {
    const address = parseAddress(value, place);
    return address && createSpec(address, {});
  }
  if (!isRecord(value)) {
    note(place, "", { value, rule: 'must be "ip:port" or an object with an address' });
    return undefined;
  }
  for (const key of Object.keys(value).filter((name) => !isItemKey(name))) {
    note(place, `.${shorten(key)}`, { rule: `unknown key, expected ${itemKeys.join(", ")}` });
  }
  return parseFields(value as unknown as Item, place);
}

/** Reads every field before it gives up, so that all of an item's problems are told at once. */
function parseFields(item: Item, place: Place): EndpointSpec | undefined {
  const before = place.problems.length;
  const address = parseAddress(item.address, { ...place, path: `${place.path}.address` });
  const { id, weight, draining } = item;
  if (id !== undefined && !(typeof id === "string" && isVisibleAscii(id, endpointLimits.idLength)))
    note(place, ".id", {
      value: id,
      rule: `must be 1 to ${endpointLimits.idLength} visible ASCII characters`,
    });
  if (
    weight !== undefined &&
    !(typeof weight === "number" && Math.abs(weight) <= endpointLimits.weight)
  )
    note(place, ".weight", {
      value: weight,
      rule: `must be a number from ${-endpointLimits.weight} to ${endpointLimits.weight}`,
    });
  if (draining !== undefined && typeof draining !== "boolean")
    note(place, ".draining", { value: draining, rule: "must be true or false" });
  const labels = parseLabels(item.labels, { ...place, path: `${place.path}.labels` });
  if (address === undefined || place.problems.length > before) return undefined;
  return createSpec(address, {
    ...(id !== undefined && { id: id as EndpointId }),
    ...(weight !== undefined && { weight: weight as number }),
    labels,
    isDraining: draining === true,
  });
}

type Address = Pick<EndpointSpec, "host" | "port">;

function createSpec(address: Address, given: Partial<EndpointSpec>): EndpointSpec {
  const id = formatAddress(address.host, address.port) as EndpointId;
  return { id, ...address, weight: 1, labels: {}, isDraining: false, ...given };
}

function parseAddress(value: unknown, place: Place): Address | undefined {
  if (typeof value !== "string") {
    note(place, "", { value, rule: 'must be a string "ip:port" or "[ipv6]:port"' });
    return undefined;
  }
  const [, bracketed, plain, portText] = /^(?:\[(.*)\]|(.*)):([^:\]]*)$/.exec(value) ?? [];
  if (portText === undefined) {
    note(place, "", { value, rule: 'must be "ip:port" or "[ipv6]:port"' });
    return undefined;
  }
  const port = /^[1-9]\d{0,4}$/.test(portText) ? Number(portText) : 0;
  const host = bracketed === undefined ? plainHost(plain) : canonicalIPv6(bracketed);
  if (host === undefined) {
    const rule = plain?.includes(":")
      ? "an IPv6 host must stand in brackets, like [fd00::1]:8000"
      : "host must be an IPv4 or IPv6 address";
    note(place, "", { value, rule });
  }
  if (port < 1 || port > 65_535) note(place, "", { value, rule: "port must be 1 to 65535" });
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}

function plainHost(host: string | undefined): string | undefined {
  return host !== undefined && isIPv4(host) ? host : undefined;
}

/**
 * The one spelling of an IPv6 address that Envoy reports back, so that `[0:0::1]:80` and `[::1]:80` are seen as the same
 * endpoint. A zone (`%eth0`) is refused: it means something on one machine only.
 */
function canonicalIPv6(host: string): string | undefined {
  if (!isIPv6(host) || host.includes("%")) return undefined;
  return new SocketAddress({ address: host, family: "ipv6" }).address;
}

function parseLabels(value: unknown, place: Place): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (!isRecord(value)) {
    note(place, "", { value, rule: "must be an object of strings" });
    return {};
  }
  const labels = Object.entries(value);
  const { labels: most, labelLength: longest } = endpointLimits;
  if (labels.length > most)
    note(place, "", { rule: `has ${labels.length} labels, at most ${most} are allowed` });
  for (const [key, label] of labels) {
    if (key.length < 1 || key.length > longest)
      note(place, "", { value: key, rule: `a label's name must be 1 to ${longest} characters` });
    if (typeof label !== "string" || label.length > longest)
      note(place, `.${shorten(key)}`, {
        value: label,
        rule: `must be a string of at most ${longest} characters`,
      });
  }
  return value as Record<string, string>;
}

function noteDuplicates(
  items: readonly { spec: EndpointSpec; path: string }[],
  problems: string[],
): void {
  const ids = new Map<string, string>();
  const addresses = new Map<string, string>();
  for (const { spec, path } of items) {
    const address = formatAddress(spec.host, spec.port);
    const addressOwner = addresses.get(address);
    const idOwner = ids.get(spec.id);
    if (addressOwner !== undefined)
      note({ path, problems }, "", {
        value: address,
        rule: `is the address of ${addressOwner} already`,
      });
    else if (idOwner !== undefined)
      note({ path, problems }, "", { value: spec.id, rule: `is the id of ${idOwner} already` });
    if (addressOwner === undefined) addresses.set(address, path);
    if (idOwner === undefined) ids.set(spec.id, path);
  }
}

function note(
  place: Place,
  key: string,
  what: { readonly value?: unknown; readonly rule: string },
): void {
  const value = "value" in what ? ` ${shorten(JSON.stringify(what.value) ?? "nothing")}` : "";
  place.problems.push(`${place.path}${key}${value}: ${what.rule}`);
}

/** A hostile value must not fill the log. */
function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isItemKey(key: string): boolean {
  return (itemKeys as readonly string[]).includes(key);
}

function isVisibleAscii(text: string, longest: number): boolean {
  return text.length <= longest && /^[\x21-\x7e]+$/.test(text);
}
