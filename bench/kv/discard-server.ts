/**
 * The routes of segments' bytes over a location that computes the CRC of what it is given and writes nothing: what taking a body
 * costs before any disk. `discard-server.ts ROOT BYTES` prints `listening PORT`; every segment is there, reserved, with that length.
 */
import { randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import { serializerCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import type { BytesPorts } from "../../src/api/bytes/bytes-ports.ts";
import { addBytesRoutes } from "../../src/api/bytes/bytes-routes.ts";
import { compileValidator } from "../../src/api/validation.ts";
import { systemClock, systemWallClock } from "../../src/clock.ts";
import { createDigests } from "../../src/digests.ts";
import { createHttpServer, listenOn } from "../../src/http/server.ts";
import { type Location, LocationFault, type ObjectName } from "../../src/kv/location.ts";
import { openDirectory } from "../../src/kv/locations/directory.ts";
import type { Segment, SegmentId, Turn, TurnId } from "../../src/kv/records.ts";
import { createLogger } from "../../src/log.ts";

const HOUR_MS = 3_600_000;
const FILE = { location: "none", name: "none" as ObjectName };
const STAT = { sizeBytes: 0, identity: "", content: "", modifiedAtMs: 0 };

const turn: Turn = {
  id: "turn" as TurnId,
  session: { tenant: "", id: "session" },
  state: "reserved",
  deadlineMs: systemWallClock() + HOUR_MS,
  engine: undefined,
  file: FILE,
  reservedBytes: 0,
  tokenBytes: 1,
  rankTokenBytes: 1,
  pending: [],
};

function segmentOf(id: SegmentId, bytes: number): Segment {
  return {
    id,
    tenant: "",
    turn: turn.id,
    state: "reserved",
    retentionClass: "standard",
    geometry: new Uint8Array(),
    file: FILE,
    replicas: [],
    tokenStart: 0,
    tokenLength: bytes,
    kvStart: 0,
    bytes,
    chain: undefined,
    place: undefined,
    crc: 0,
    refs: 0,
    lastReadAtMs: 0,
    timesRead: 0,
    snapshot: undefined,
  };
}

async function discarding(root: string): Promise<Location> {
  const profile = {
    id: "none",
    tier: "disk",
    capacityBytes: 1,
    freeFloorBytes: 0,
    weight: 1,
  } as const;
  const draftId = randomUUID;
  const known = { naming: "flat", uriPrefix: "file:///", isKnown: false } as const;
  const directory = await openDirectory({
    ...known,
    profile,
    root,
    nowMs: systemWallClock,
    draftId,
  });
  if (directory instanceof LocationFault) throw directory;
  return Object.assign(directory, {
    writeAt: async ({ source, expect }: Parameters<Location["writeAt"]>[0]) => {
      let crc = 0;
      for await (const chunk of source) crc = crc32(chunk, crc);
      return crc === expect.crc ? STAT : new LocationFault("mismatch", `the CRC-32 is ${crc}`);
    },
    sync: async () => STAT,
  });
}

async function portsOf(root: string, bytes: number): Promise<BytesPorts> {
  const location = await discarding(root);
  return {
    reader: (tenant) => ({ tenant, trusts: [] }),
    copies: { tierOf: () => undefined, load: () => 0 },
    read: () => undefined,
    catalog: {
      segment: (id) => segmentOf(id, bytes),
      visibleSegment: () => undefined,
      turn: () => turn,
      file: () => undefined,
      leaseRead: async () => undefined,
      condemn: async () => false,
    },
    checker: {
      look: async () => ({ file: undefined, stat: undefined }),
      check: async () => ({ kind: "unreadable", reason: "closed" }),
    },
    location: () => location,
    layout: () => undefined,
    digests: createDigests(),
    signingKey: new Uint8Array(32),
    clock: systemClock,
    nowMs: systemWallClock,
    publicUrl: null,
    limits: { bytesInFlightLimit: 2 ** 28, idleTimeoutMs: HOUR_MS, signedUrlLimitMs: HOUR_MS },
    observer: {
      served: () => undefined,
      received: () => undefined,
      inFlight: () => undefined,
      unreadable: () => undefined,
      notWhole: () => undefined,
      unserved: () => undefined,
    },
  };
}

const [root = "", bytes] = process.argv.slice(2);
const limits = {
  bodyBytes: 1,
  handlerMs: 30_000,
  requestMs: HOUR_MS,
  idleMs: 60_000,
  headersMs: 60_000,
  connections: 8,
};
const server = createHttpServer({
  limits,
  log: createLogger({ level: "error", sessionIds: "hash" }),
});
server.setValidatorCompiler(compileValidator);
server.setSerializerCompiler(serializerCompiler);
server.decorateRequest("principal", undefined);
server.addHook("onRequest", async (request) => {
  request.principal = { tenant: "" };
});
await addBytesRoutes(
  server.withTypeProvider<ZodTypeProvider>(),
  await portsOf(root, Number(bytes)),
);
const address = await listenOn(server, { kind: "tcp", host: "127.0.0.1", port: 0 });
console.log(`listening ${address.split(":").at(-1)}`);
