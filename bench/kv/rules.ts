/**
 * How long each rule of the catalog holds the event loop, over a large catalog: `rules.ts PATH`, which is changed. Prints a
 * `RuleTimes` as JSON. Commits are not synced: writing them is not the event loop's.
 */
import { kvSchema } from "../../src/config/kv-schema.ts";
import { LmdbStore } from "../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../src/kv/catalog/rule-catalog.ts";
import type { Reservation } from "../../src/kv/catalog.ts";
import { percentileOf } from "../figures.ts";
import { createRequest, reportRequest, settleRequests, turnRequest } from "./filled-turns.ts";
import { partEnds } from "./prompts.ts";
import { CONVERSATION, LOCATION, RETENTION, START_MS } from "./scale.ts";
import { TimedStore } from "./timed-store.ts";

export interface RuleTime {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export type RuleTimes = Readonly<Record<string, RuleTime>>;

const TURNS = 1_000;
const PASSES = 100;
const LENGTH = 8_192;
const EVICTED_BYTES = 2 ** 20;
/** No filled catalog has a session with this number. */
const FIRST_NUMBER = 10_000_000;

const { limit } = kvSchema.shape.keeper.parse({});
const path = process.argv[2] ?? "";
const store = new TimedStore(new LmdbStore({ path, durability: "process" }));
const catalog = await openCatalog(store);
const times: Record<string, RuleTime> = {};
await measureTurns();
await measureKeeping();
await catalog.close();
console.log(JSON.stringify(times));

async function measureTurns(): Promise<void> {
  const ends = partEnds(LENGTH, CONVERSATION);
  const numbered = Array.from({ length: TURNS }, (_, at) => ({
    number: FIRST_NUMBER + at,
    nowMs: START_MS,
  }));
  store.takeHolds();
  for (const each of numbered) await catalog.create(createRequest(each));
  take("create");
  const reserved: Reservation[] = [];
  for (const each of numbered) {
    const outcome = await catalog.reserve(turnRequest(each, 0, ends));
    if (outcome.kind !== "reserved") throw new Error(`not reserved: ${JSON.stringify(outcome)}`);
    reserved.push(outcome.reservation);
  }
  take("reserve");
  const both = numbered.flatMap((each, at) => {
    const reservation = reserved[at];
    return reservation === undefined ? [] : [{ each, reservation }];
  });
  for (const { each, reservation } of both) await catalog.report(reportRequest(each, reservation));
  take("report");
  for (const { each, reservation } of both) {
    for (const request of settleRequests(each, reservation)) await catalog.settle(request);
  }
  take("settle");
}

/** When half of the sessions have expired, and with as much in a transaction as the keeper's default. */
async function measureKeeping(): Promise<void> {
  const { location, priority } = { location: LOCATION.id, priority: RETENTION.priority };
  for (let pass = 0; pass < PASSES; pass += 1) {
    const room = { location, priority, bytes: EVICTED_BYTES, nowMs: START_MS, limit };
    await catalog.evict({ ...room, locations: new Set([location]) });
  }
  take("evict");
  for (let pass = 0; pass < PASSES; pass += 1) {
    const nowMs = START_MS + RETENTION.ttlMs / 2;
    await catalog.sweep({ nowMs, limit, quarantineMs: RETENTION.ttlMs });
  }
  take("sweep");
}

function take(rule: string): void {
  const holds = store.takeHolds();
  times[rule] = {
    p50Ms: percentileOf(holds, 0.5),
    p99Ms: percentileOf(holds, 0.99),
    maxMs: percentileOf(holds, 1),
  };
}
