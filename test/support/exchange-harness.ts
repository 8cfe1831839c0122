/**
 * Plays Envoy against one real Exchange, without a network: messages go in as the published codec encodes them, replies come out
 * as it decodes them. Everything behind the exchange is real: reader, router, bindings, ring.
 */
import { bindingKey } from "../../src/affinity/binding-store.ts";
import type { PoolSnapshot } from "../../src/affinity/pool-snapshot.ts";
import { buildRing } from "../../src/affinity/ring-build.ts";
import { createStickyRouter, type Router } from "../../src/affinity/router.ts";
import { MemoryBindings } from "../../src/bindings/memory.ts";
import type { Endpoint, EndpointId, EndpointState } from "../../src/endpoints/endpoint.ts";
import { BodyBudget } from "../../src/extproc/body-budget.ts";
import { Exchange } from "../../src/extproc/exchange.ts";
import type { Decided, ExchangePorts } from "../../src/extproc/exchange-ports.ts";
import { RequestReader, type RequestReaderOptions } from "../../src/extproc/request-reader.ts";
import { responseAttributes, responseHeaders } from "../../src/extproc/served.ts";
import { createHash64 } from "../../src/hash.ts";
import { noTurns } from "../../src/kv/path/turn-path.ts";
import { FakeClock } from "./fake-clock.ts";
import {
  decodeReply,
  encodeRequest,
  headerMap,
  type ProcessingRequest,
  type ProcessingResponse__Output,
} from "./published-codec.ts";

const hash = await createHash64();

export const DESTINATION = "x-gateway-destination-endpoint";

/** Endpoints by address; the value is the state. Ids are the addresses. */
export function poolOf(
  name: string,
  endpoints: Readonly<Record<string, EndpointState>>,
): PoolSnapshot {
  const list = Object.entries(endpoints).map(([address, state]): Endpoint => {
    const colon = address.lastIndexOf(":");
    const host = address.slice(0, colon).replace("[", "").replace("]", "");
    const port = Number(address.slice(colon + 1));
    const id = address as EndpointId;
    return {
      id,
      host,
      port,
      weight: 1,
      labels: {},
      isDraining: state === "draining",
      address,
      state,
    };
  });
  const ring = buildRing(list, { slots: 1024, hash });
  const byId = new Map(list.map((endpoint) => [endpoint.id, endpoint]));
  const ordered = ring.members.flatMap(({ id }) => byId.get(id) ?? []);
  const readyWeight = list.filter(({ state }) => state === "ready").length;
  return { name, generation: 1, endpoints: ordered, byId, ring, readyWeight };
}

export const threeReady = {
  "10.0.0.1:80": "ready",
  "10.0.0.2:80": "ready",
  "10.0.0.3:80": "ready",
} as const;

export interface HarnessOptions {
  readonly pools?: readonly PoolSnapshot[];
  readonly models?: Readonly<Record<string, string>>;
  readonly reader?: Partial<RequestReaderOptions>;
  readonly ports?: Partial<ExchangePorts>;
  /** Stands in for the router's `route`, which it is given. */
  readonly wrapRoute?: (route: Router["route"]) => Router["route"];
}

/** One sidecar's worth of parts; `open` starts an exchange over them. */
export function createHarness(options: HarnessOptions = {}) {
  const pools = options.pools ?? [poolOf("default", threeReady)];
  const clock = new FakeClock();
  const events: string[] = [];
  const decided: Decided[] = [];
  const store = new MemoryBindings({
    clock,
    maxSessions: 1000,
    ttlMs: 60_000,
    observer: { evicted: () => undefined, moved: () => undefined },
  });
  const sticky = createStickyRouter({
    store,
    loadFactor: 1.25,
    fallbacks: 2,
    observer: { storeFailed: () => events.push("storeFailed"), contended: () => undefined },
  });
  const bodyLimitBytes = options.reader?.bodyLimitBytes ?? 8 * 1024 * 1024;
  const reader = new RequestReader({
    sources: {
      headers: ["x-session-id", "x-claude-code-session-id", "session_id"],
      cookie: "sid",
      bodyFields: ["session_params.id", "prompt_cache_key"],
    },
    tenantHeader: "x-tenant",
    modelHeader: options.models === undefined ? null : "x-model",
    needsModel: options.models !== undefined,
    bodyPaths: ["/generate"],
    bodyLimitBytes,
    onSkipped: (source) => events.push(`skipped ${source}`),
    ...options.reader,
  });
  let minted = 0;
  const ports: ExchangePorts = {
    pools: {
      hasSeveral: pools.length > 1,
      forModel: (model) =>
        options.models === undefined
          ? pools[0]
          : pools.find(({ name }) => name === options.models?.[model ?? ""]),
      get: (name) => pools.find((pool) => pool.name === name),
      all: () => pools,
    },
    router: {
      route:
        options.wrapRoute?.((request) => sticky.route(request)) ??
        ((request) => sticky.route(request)),
      isChoosing: (request) => sticky.isChoosing(request),
      correct: (request, decision, served) => sticky.correct(request, decision, served),
    },
    passive: {
      connectFailed: (pool, endpoint) => events.push(`connectFailed ${pool} ${endpoint}`),
      serverError: (pool, endpoint) => events.push(`serverError ${pool} ${endpoint}`),
    },
    turns: noTurns,
    reader,
    wanted: {
      requestHeaders: reader.wantedHeaders,
      responseHeaders,
      attributes: responseAttributes,
      subsetKey: `${DESTINATION}-subset`,
      servedKey: `${DESTINATION}-served`,
    },
    budget: new BodyBudget(64 * 1024 * 1024),
    observer: {
      decided: (what) => decided.push(what),
      refused: (code) => events.push(`refused ${code}`),
      servedElsewhere: (pool, address) => events.push(`servedElsewhere ${pool} ${address}`),
      observed: () => events.push("observed"),
      failed: (error) => events.push(`failed ${error.code}: ${error.message}`),
    },
    clock,
    mintId: () => `minted-${++minted}`,
    destinationHeader: DESTINATION,
    sendsFallbacks: true,
    bodyLimitBytes,
    onError: "open",
    ...options.ports,
  };

  return {
    ports,
    clock,
    events,
    decided,
    store,
    bindingOf: (sessionId: string, pool = "default") =>
      store.lookup(bindingKey(pool, "", sessionId)),
    open: () => openExchange(ports),
  };
}

export function openExchange(ports: ExchangePorts) {
  const replies: ProcessingResponse__Output[] = [];
  let isEnded = false;
  let isFailed = false;
  const exchange = new Exchange(ports, {
    send: (bytes) => replies.push(decodeReply(bytes)),
    end: () => {
      isEnded = true;
    },
    fail: () => {
      isFailed = true;
    },
  });
  return {
    exchange,
    replies,
    isEnded: () => isEnded,
    isFailed: () => isFailed,
    /** Sends one message; returns the replies that it brought, once the exchange is done with it. */
    async send(request: ProcessingRequest): Promise<ProcessingResponse__Output[]> {
      const before = replies.length;
      const bytes = encodeRequest(request);
      await exchange.message(bytes);
      bytes.fill(0xff); // lent bytes are gone now: whoever kept a view reads garbage
      return replies.slice(before);
    },
  };
}

/** A request headers message with `:path` /generate, as Envoy sends it. */
export function requestHeaders(
  headers: Readonly<Record<string, string>> = {},
  more: Partial<ProcessingRequest> & { readonly endOfStream?: boolean } = {},
): ProcessingRequest {
  const { endOfStream = true, ...rest } = more;
  return {
    request_headers: {
      headers: headerMap({ ":path": "/generate?x=1", ":method": "POST", ...headers }),
      end_of_stream: endOfStream,
    },
    ...rest,
  };
}

/** The headers that a reply sets, by name. */
export function headersOf(reply: ProcessingResponse__Output | undefined): Record<string, string> {
  const mutation =
    reply?.immediate_response?.headers ??
    (reply?.request_headers ?? reply?.request_body ?? reply?.response_headers)?.response
      ?.header_mutation;
  return Object.fromEntries(
    (mutation?.set_headers ?? []).map(({ header }) => [
      header?.key ?? "",
      header?.raw_value?.toString() ?? "",
    ]),
  );
}

export function errorOf(reply: ProcessingResponse__Output | undefined): {
  code: string;
  message: string;
} {
  return JSON.parse(reply?.immediate_response?.body?.toString() ?? "").error;
}

export function metadataDestination(
  reply: ProcessingResponse__Output | undefined,
): string | undefined {
  return reply?.dynamic_metadata?.fields?.["envoy.lb"]?.structValue?.fields?.[DESTINATION]
    ?.stringValue;
}
