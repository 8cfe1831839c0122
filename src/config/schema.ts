/**
 * Every configuration key with its default and its limits, nested by component: the one place where they are written.
 * docs/config.md describes them for people, and a test compares the two.
 *
 * The keys of `kv` are in kv-schema.ts, those of `pools[].kv` in profile-schema.ts, turn-schema.ts and slot-schema.ts. Rules that span several keys
 * are in rules.ts, kv-rules.ts and turn-rules.ts. Endpoint items are parsed in
 * endpoints/spec.ts, which the endpoints file shares.
 */
import * as z from "zod";
import {
  bodyField,
  cookieName,
  distinctList,
  filePath,
  headerName,
  integer,
  listenAddress,
  modelName,
  requestPath,
  shortName,
  tcpAddress,
  tlsFiles,
} from "./fields.ts";
import { kvSchema } from "./kv-schema.ts";
import { pricesSchema } from "./price-schema.ts";
import { profileSchema } from "./profile-schema.ts";
import { slotsSchema } from "./slot-schema.ts";
import { turnKeys } from "./turn-schema.ts";
import { DAY_MS, GIB, HOUR_MS, KIB, MIB, SECOND_MS } from "./units.ts";

const extproc = z.strictObject({
  listen: distinctList(listenAddress, 16, 1).prefault(["127.0.0.1:9002"]),
  tls: tlsFiles.nullable().default(null),
  onError: z.enum(["open", "refuse"]).default("open"),
  bodyLimitBytes: integer(KIB, 32 * MIB).default(8 * MIB),
  bufferedBytesLimit: integer(MIB, 64 * GIB).default(512 * MIB),
});

const session = z.strictObject({
  headers: distinctList(headerName, 32).default([
    "x-session-id",
    "x-claude-code-session-id",
    "x-session-affinity",
    "session-id",
    "session_id",
    "x-dynamo-session-id",
    "x-smg-routing-key",
  ]),
  cookie: cookieName.nullable().default(null),
  bodyFields: distinctList(bodyField, 32).default([
    "session_params.id",
    "kvcache_params.id",
    "prompt_cache_key",
    "metadata.session_id",
  ]),
  bodyPaths: distinctList(requestPath, 64).default([
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/generate",
  ]),
  tenantHeader: headerName.nullable().default(null),
});

export const affinitySchema = z.strictObject({
  mode: z.enum(["sticky", "ring"]).default("sticky"),
  ringSlots: integer(1024, 1_048_576)
    .refine((slots) => Number.isInteger(Math.log2(slots)), "must be a power of two")
    .meta({ limit: "power of two" })
    .default(65_536),
  maxSessions: integer(1, 10_000_000).default(100_000),
  ttlMs: integer(100, 7 * DAY_MS).default(HOUR_MS),
  sweepIntervalMs: integer(10, HOUR_MS).default(SECOND_MS),
  sweepLimit: integer(1, 1_000_000).default(1000),
  loadFactor: z.number().min(1).max(100).default(1.25),
  drainDeadlineMs: integer(0, DAY_MS).default(600 * SECOND_MS),
  fallbacks: integer(0, 7).default(2),
});

const destination = z.strictObject({
  header: headerName.default("x-gateway-destination-endpoint"),
  cluster: z.enum(["override_host", "original_dst"]).default("override_host"),
});

const pool = z.strictObject({
  name: shortName,
  models: distinctList(modelName, 1000).default([]),
  endpoints: z.array(z.unknown()).max(10_000).optional(),
  endpointsFile: filePath.optional(),
  kv: z
    .strictObject({
      profile: profileSchema.nullable().prefault(null),
      prices: pricesSchema.nullable().prefault(null),
      ...turnKeys,
      slots: slotsSchema.prefault({}),
    })
    .nullable()
    .prefault(null),
});

const health = z.strictObject({
  enabled: z.boolean().default(true),
  path: requestPath.default("/health"),
  intervalMs: integer(10, HOUR_MS).default(SECOND_MS),
  timeoutMs: integer(10, 60 * SECOND_MS).default(500),
  failures: integer(1, 100).default(2),
  successes: integer(1, 100).default(2),
});

const admin = z.strictObject({
  listen: tcpAddress.prefault("127.0.0.1:9003"),
  metricsListen: tcpAddress.nullable().prefault(null),
  tokenFile: filePath.nullable().default(null),
});

const log = z.strictObject({
  level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
  sessionIds: z.enum(["hash", "plain"]).default("hash"),
});

export const configSchema = z.strictObject({
  extproc: extproc.prefault({}),
  session: session.prefault({}),
  affinity: affinitySchema.prefault({}),
  destination: destination.prefault({}),
  pools: z.array(pool).min(1).max(64),
  model: z.strictObject({ header: headerName.nullable().default(null) }).prefault({}),
  health: health.prefault({}),
  kv: kvSchema.nullable().prefault(null),
  envoy: z.strictObject({ edsFile: filePath.nullable().default(null) }).prefault({}),
  admin: admin.prefault({}),
  log: log.prefault({}),
  shutdown: z.strictObject({ drainMs: integer(0, HOUR_MS).default(30 * SECOND_MS) }).prefault({}),
});
