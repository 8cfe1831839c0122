/** The keys of `kv`, with their defaults and limits, as schema.ts has those of the other components. Rules between them: kv-rules.ts. */
import * as z from "zod";
import { SEGMENT_TOKENS_LIMIT } from "../kv/model/profile.ts";
import { COPIES_LIMIT } from "../kv/records.ts";
import {
  distinctList,
  filePath,
  integer,
  knownTenant,
  labels,
  publicUrl,
  shortName,
  tcpAddress,
  tenantName,
  tlsFiles,
  tokenHash,
  uriPrefix,
} from "./fields.ts";
import { DAY_MS, GIB, HOUR_MS, KIB, MIB, MINUTE_MS, PIB, SECOND_MS, YEAR_MS } from "./units.ts";

const catalog = z.strictObject({
  path: filePath,
  durability: z.enum(["power_loss", "process"]).default("power_loss"),
});

const location = z.strictObject({
  id: shortName,
  root: filePath,
  naming: z.enum(["sharded", "flat"]).default("sharded"),
  uriPrefix: uriPrefix.default("file:///"),
  tier: z.enum(["memory", "disk", "remote"]).default("disk"),
  capacityBytes: integer(MIB, PIB),
  freeFloorBytes: integer(0, PIB).default(GIB),
  headroomBytes: integer(0, PIB).default(0),
  weight: z.number().min(0.001).max(1000).default(1),
  labels: labels.default({}),
  engines: z.boolean().default(true),
});

const retentionClass = z.strictObject({
  name: shortName,
  ttlMs: integer(SECOND_MS, YEAR_MS).default(HOUR_MS),
  maxAgeMs: integer(SECOND_MS, YEAR_MS).default(7 * DAY_MS),
  priority: integer(0, 100).default(50),
  pinLimitMs: integer(0, YEAR_MS).default(DAY_MS),
  admission: z.enum(["always", "second_hit"]).default("always"),
});

const retention = z.strictObject({
  defaultClass: shortName.default("standard"),
  classes: z
    .array(retentionClass)
    .min(1)
    .max(64)
    .prefault([
      { name: "free", ttlMs: 10 * MINUTE_MS, maxAgeMs: DAY_MS, priority: 0, pinLimitMs: 0 },
      { name: "standard" },
      {
        name: "premium",
        ttlMs: DAY_MS,
        maxAgeMs: 30 * DAY_MS,
        priority: 100,
        pinLimitMs: 7 * DAY_MS,
      },
    ]),
});

const standing = {
  retentionClass: shortName.nullable().default(null),
  quota: z
    .strictObject({
      bytes: integer(0, PIB).nullable().default(null),
      sessions: integer(0, 10_000_000).default(100_000),
      pins: integer(0, 1_000_000).default(100),
    })
    .prefault({}),
  /** Each is asked at every plan. */
  trusts: distinctList(knownTenant, 64).default([]),
};

const tenant = z.strictObject({
  name: tenantName,
  tokenHashes: distinctList(tokenHash, 16).default([]),
  ...standing,
});

const turns = z.strictObject({
  turnMs: integer(SECOND_MS, DAY_MS).default(15 * MINUTE_MS),
  settleMs: integer(SECOND_MS, HOUR_MS).default(MINUTE_MS),
  reservationTokens: integer(1, SEGMENT_TOKENS_LIMIT).default(32_768),
  cutAtPrompt: z.boolean().default(true),
  whenBusy: z.enum(["wait", "branch"]).default("wait"),
  waitMs: integer(0, 10 * MINUTE_MS).default(SECOND_MS),
  waitingLimit: integer(0, 1_000_000).default(1024),
  settlingLimit: integer(1, 1_000_000).default(1024),
});

const verify = z.strictObject({
  engine: z.enum(["required", "none"]).default("required"),
  listing: z.enum(["changed", "always"]).default("changed"),
  quietMs: integer(1, MINUTE_MS).default(200),
  settleMaxMs: integer(1, 10 * MINUTE_MS).default(5 * SECOND_MS),
  probeTimeoutMs: integer(1, MINUTE_MS).default(SECOND_MS),
  passesLimit: integer(1, 64).default(2),
  passBytesLimit: integer(MIB, 64 * GIB).default(GIB),
  queueLimit: integer(1, 1_000_000).default(1024),
  scrubIntervalMs: integer(SECOND_MS, YEAR_MS).default(DAY_MS),
  scrubBytesPerSecond: integer(KIB, 64 * GIB).default(64 * MIB),
});

const keeper = z.strictObject({
  intervalMs: integer(10, HOUR_MS).default(SECOND_MS),
  limit: integer(1, 10_000).default(32),
  quarantineMs: integer(SECOND_MS, 7 * DAY_MS).default(15 * MINUTE_MS),
});

const readahead = z.strictObject({
  copiesAtOnce: integer(1, 64).default(4),
  bytesPerSecond: integer(KIB, 64 * GIB).default(GIB),
  queueLimit: integer(1, 1_000_000).default(1024),
});

/** `min` and `max` count the first copy. */
const replicas = z.strictObject({
  min: integer(1, COPIES_LIMIT).default(1),
  max: integer(1, COPIES_LIMIT).nullable().default(null),
  readsPerSecondPerCopy: z.number().min(0.001).max(1_000_000).default(1),
  halfLifeMs: integer(SECOND_MS, DAY_MS).default(MINUTE_MS),
  coolDownMs: integer(SECOND_MS, DAY_MS).default(5 * MINUTE_MS),
  idleMs: integer(SECOND_MS, YEAR_MS).default(HOUR_MS),
  bytesPerPass: integer(MIB, 64 * GIB).default(64 * MIB),
});

const api = z.strictObject({
  bodyLimitBytes: integer(KIB, 64 * MIB).default(8 * MIB),
  bytesInFlightLimit: integer(4 * MIB, 64 * GIB).default(256 * MIB),
  idleTimeoutMs: integer(100, HOUR_MS).default(30 * SECOND_MS),
  signedUrlLimitMs: integer(SECOND_MS, 7 * DAY_MS).default(HOUR_MS),
  publicUrl: publicUrl.nullable().default(null),
});

export const kvSchema = z.strictObject({
  listen: tcpAddress.prefault("127.0.0.1:9004"),
  tls: tlsFiles.nullable().default(null),
  catalog,
  secretFile: filePath.nullable().default(null),
  locations: z.array(location).min(1).max(16),
  retention: retention.prefault({}),
  tenants: z.array(tenant).max(10_000).default([]),
  defaultTenant: z.strictObject(standing).prefault({}),
  admission: z
    .strictObject({ minTokens: integer(0, SEGMENT_TOKENS_LIMIT).default(0) })
    .prefault({}),
  turns: turns.prefault({}),
  verify: verify.prefault({}),
  keeper: keeper.prefault({}),
  readahead: readahead.prefault({}),
  api: api.prefault({}),
  replicas: replicas.prefault({}),
});
