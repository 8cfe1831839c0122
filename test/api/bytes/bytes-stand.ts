/** The bytes API on a real server, over a real catalog and a real directory, with time in the test's hand. */
import { serializerCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import type { AddressInfo } from "node:net";
import { crc32 } from "node:zlib";

import { addBytesRoutes } from "../../../src/api/bytes/bytes-routes.ts";
import type {
  BytesObserver,
  ReceivedResult,
  ServedResult,
  Transfer,
} from "../../../src/api/bytes/bytes-observer.ts";
import type { BytesLimits } from "../../../src/api/bytes/bytes-ports.ts";
import { compileValidator } from "../../../src/api/validation.ts";
import { createHttpServer } from "../../../src/http/server.ts";
import { createLogger } from "../../../src/log.ts";
import type { Api } from "../../../src/api/api.ts";
import { createDigests } from "../../../src/digests.ts";
import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import type { Location } from "../../../src/kv/location.ts";
import type { SegmentLayout } from "../../../src/kv/model/layout.ts";
import { type Segment, segmentId, type SegmentId } from "../../../src/kv/records.ts";
import { SegmentChecker } from "../../../src/kv/verify/segment-checker.ts";
import { TwoPassVerifier } from "../../../src/kv/verify/two-pass-verifier.ts";
import { patterned } from "../../support/bytes.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { key, KvDesk, PLENTY } from "../../support/kv-desk.ts";
import { ok } from "../../support/location-results.ts";
import { createRoot, openAt } from "../../kv/locations/roots.ts";
import { LAYOUTS } from "../../kv/verify/stand.ts";

export const MIB = 1024 * 1024;
const LIMITS: BytesLimits = {
  bytesInFlightLimit: 64 * MIB,
  idleTimeoutMs: 30_000,
  signedUrlLimitMs: 3_600_000,
};

const HTTP_LIMITS = {
  bodyBytes: 1_000,
  handlerMs: 30_000,
  requestMs: 600_000,
  idleMs: 60_000,
  headersMs: 60_000,
  connections: 1_000,
};
/** What the servers of all stands held for faults of ours. */
export const LOGGED: string[] = [];

export interface StandOptions {
  readonly limits?: Partial<BytesLimits>;
  readonly layout?: SegmentLayout;
  readonly publicUrl?: string;
  readonly isLayoutKnown?: boolean;
  /** Default half a minute. */
  readonly handlerMs?: number;
  /** What the API gets in place of the directory. */
  readonly around?: (location: Location) => Location;
}

export interface StoredBytes {
  readonly id: SegmentId;
  readonly bytes: Uint8Array;
}

export class BytesStand {
  readonly clock = new FakeClock();
  readonly layout: SegmentLayout;
  readonly served: Transfer<ServedResult>[] = [];
  readonly received: Transfer<ReceivedResult>[] = [];
  readonly unreadable: string[] = [];
  /** Segment, location and bytes of what was about to be sent. */
  readonly reads: (readonly [string, string, number])[] = [];
  readonly notWhole: string[] = [];
  unserved = 0;
  readonly rechecked: string[] = [];
  readonly inFlight: number[] = [];
  readonly desk: KvDesk;
  readonly location: Location;
  readonly #root: Awaited<ReturnType<typeof createRoot>>;
  readonly #server: Api;

  static async open(options: StandOptions = {}): Promise<BytesStand> {
    const root = await createRoot();
    const location = await openAt(root.path, { naming: "flat" });
    const desk = new KvDesk(await openCatalog(new MemoryStore()));
    const server = createServer(options);
    const stand = new BytesStand({ root, location, desk, server }, options);
    await server.register(async (scope: Api) => stand.#addRoutes(scope, options));
    await server.listen({ host: "127.0.0.1", port: 0 });
    return stand;
  }

  private constructor(
    parts: {
      readonly root: Awaited<ReturnType<typeof createRoot>>;
      readonly location: Location;
      readonly desk: KvDesk;
      readonly server: Api;
    },
    { layout = LAYOUTS["tp=2"] }: StandOptions,
  ) {
    this.layout = layout;
    this.#root = parts.root;
    this.location = parts.location;
    this.desk = parts.desk;
    this.#server = parts.server;
  }

  #addRoutes(scope: Api, options: StandOptions): Promise<void> {
    const {
      around = (location) => location,
      isLayoutKnown = true,
      limits,
      publicUrl = null,
    } = options;
    const location = around(this.location);
    const observer: BytesObserver = {
      served: (transfer) => this.served.push(transfer),
      received: (transfer) => this.received.push(transfer),
      inFlight: (bytes) => this.inFlight.push(bytes),
      unreadable: (segment, { code }) => this.unreadable.push(`${segment.id} ${code}`),
      notWhole: (segment, { kind, reason }) =>
        this.notWhole.push(`${segment.id} ${kind} ${reason}`),
      unserved: () => this.unserved++,
    };
    return addBytesRoutes(scope, {
      catalog: this.desk.catalog,
      checker: new SegmentChecker({ catalog: this.desk.catalog, verifier: this.#verifier() }),
      copies: { tierOf: (id) => (id === "disk" ? "disk" : undefined), load: () => 0 },
      read: ({ id, file }, bytes) => this.reads.push([id, file.location, bytes]),
      reader: (tenant) => this.desk.reader(tenant),
      location: (id) => (id === "disk" ? location : undefined),
      layout: () => (isLayoutKnown ? this.layout : undefined),
      digests: createDigests(),
      signingKey: Buffer.from("signing key"),
      clock: this.clock,
      nowMs: () => this.desk.nowMs,
      limits: { ...LIMITS, ...limits },
      publicUrl,
      observer,
    });
  }

  #verifier(): TwoPassVerifier {
    return new TwoPassVerifier({
      clock: this.clock,
      crc32,
      observer: { verified: () => {}, rechecked: ({ result }) => this.rechecked.push(result) },
      quietMs: 100,
      settleMaxMs: 10_000,
      engine: "none",
      probeTimeoutMs: 100,
      passesLimit: 4,
      passBytesLimit: 64 * MIB,
      queueLimit: 10,
    });
  }

  /** Gracefully, as before the process ends. */
  async closeServer(): Promise<void> {
    await this.#server.close();
  }

  get isListening(): boolean {
    return this.#server.server.listening;
  }

  async close(): Promise<readonly string[]> {
    this.#server.server.closeAllConnections();
    await this.#server.close();
    const faults = await this.desk.catalog.audit();
    await this.desk.catalog.close();
    await this.location.close();
    await this.#root.remove();
    return faults;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  bytesUrl(id: string, query = ""): string {
    return `${this.origin}/v1/segments/${id}/bytes${query}`;
  }

  /** As the tenant "t", whose all sessions of the desk are unless they are named otherwise. */
  fetch(id: string, init: RequestInit = {}, query = ""): Promise<Response> {
    const headers = { "x-moorline-tenant": "t", ...(init.headers as Record<string, string>) };
    return fetch(this.bytesUrl(id, query), { ...init, headers });
  }

  async put(id: string, bytes: Uint8Array, changes: PutChanges = {}): Promise<Response> {
    const { query, headers } = changes;
    const crc = crc32(bytes).toString(16).padStart(8, "0");
    const all = { "x-moorline-crc32": crc, ...headers };
    return this.fetch(id, { method: "PUT", body: Buffer.from(bytes), headers: all }, query);
  }

  /** A reservation with its file, as a plan leaves it. */
  async reserved(name: string, tokens = 4, tokenStart = 0): Promise<Segment> {
    await this.desk.create(name);
    const { bytesPerToken: tokenBytes, perRankBytesPerToken: rankTokenBytes } = this.layout;
    const changes = { tokenStart, parts: [tokens], tokenBytes, rankTokenBytes };
    const reservation = await this.desk.reserved(name, changes);
    const { file, fromBytes, toBytes, turn } = reservation;
    if (fromBytes === 0) ok(await this.location.reserve(file.name, toBytes));
    else ok((await this.location.extend?.(file.name, fromBytes, toBytes)) ?? undefined);
    return this.segment(segmentId(turn, 0));
  }

  /** Reported, verified and listed. */
  async settle(segment: Segment, bytes: Uint8Array): Promise<void> {
    const { file, tokenStart, tokenLength, kvStart, turn } = segment;
    const part = { segment: segment.id, tokenStart, tokenLength, kvStart };
    const reservation = { turn, file, fromBytes: kvStart, toBytes: kvStart, parts: [part] };
    await this.desk.report(reservation, "x".repeat(tokenStart + tokenLength));
    const stat = ok(await this.location.stat(file.name));
    if (stat === undefined) throw new Error(`${file.name} is not there`);
    await this.desk.settle(reservation, 0, { kind: "durable", crc: crc32(bytes), stat });
  }

  async durable(name: string, tokens = 4, tokenStart = 0): Promise<StoredBytes> {
    const segment = await this.reserved(name, tokens, tokenStart);
    const bytes = patterned(segment.bytes, segment.kvStart + 1);
    const expect = { bytes: bytes.length, crc: crc32(bytes) };
    async function* source(): AsyncGenerator<Uint8Array> {
      yield bytes;
    }
    const { file, kvStart: offset } = segment;
    ok(await this.location.writeAt({ name: file.name, offset, source: source(), expect }));
    await this.settle(segment, bytes);
    return { id: segment.id, bytes };
  }

  async pin(name: string): Promise<void> {
    const { nowMs, catalog } = this.desk;
    await catalog.pin({ session: key(name), nowMs, untilMs: nowMs + 1e9, quota: PLENTY });
  }

  async segment(id: SegmentId): Promise<Segment> {
    const segment = await this.desk.catalog.segment(id);
    if (segment === undefined) throw new Error(`no segment ${id}`);
    return segment;
  }

  /** What is in the segment's range of the file. */
  async stored({ file, kvStart, bytes }: Segment): Promise<Buffer> {
    const target = Buffer.alloc(bytes);
    const fault = await this.location.readInto(file.name, kvStart, target);
    if (fault !== undefined) throw fault;
    return target;
  }
}

export interface PutChanges {
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function bodyOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

export async function codeOf(response: Response): Promise<string> {
  const problem = (await response.json()) as { code: string };
  return `${response.status} ${problem.code}`;
}

/** Everybody is an admin, but who says to be nobody. */
function createServer({ handlerMs = HTTP_LIMITS.handlerMs }: StandOptions): Api {
  const sink = { write: (line: string) => void LOGGED.push(line) };
  const log = createLogger({ level: "info", sessionIds: "hash" }, sink);
  const server = createHttpServer({ limits: { ...HTTP_LIMITS, handlerMs }, log });
  server.setValidatorCompiler(compileValidator).setSerializerCompiler(serializerCompiler);
  server.decorateRequest("principal", undefined);
  server.addHook("onRequest", async (request) => {
    request.principal =
      request.headers["x-nobody"] === undefined ? { tenant: undefined } : undefined;
  });
  return server.withTypeProvider<ZodTypeProvider>();
}
