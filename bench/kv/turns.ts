/**
 * Turns over a catalog with a million segments, while a sweeper deletes 10,000 of them each second: `turns.ts JSON` with a
 * `TurnsJob`. Prints a `TurnsReport` as JSON. A process of its own, for its event loop and its memory are measured too.
 *
 * Plans are due at a fixed rate. Two in three go on with a conversation that is stored, each conversation once; for the others
 * nothing is stored. Each is whole: what matches is listed after a look at its file, and the reservation is committed and its file
 * as large as it says. Lookups are of the same prompts, between the plans.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { files } from "../../src/kv/catalog/tables.ts";
import { LocationFault } from "../../src/kv/location.ts";
import { percentileOf } from "../figures.ts";
import { EXPIRY_STEP_MS } from "./filled-catalog.ts";
import { fileName } from "./filled-turns.ts";
import { type Prompt, promptLength, randomOf, sequenceOf, tokensOf } from "./prompts.ts";
import { openBenchKeeper } from "./bench-keeper.ts";
import { Lookups } from "./lookups.ts";
import { PlanParts, type PlanPartTimes } from "./plan-parts.ts";
import { LOCATION, SEGMENTS_PER_SESSION, START_MS } from "./scale.ts";
import { openStand, type Stand } from "./turn-stand.ts";

export interface TurnsJob {
  /** A copy of a filled catalog, with `filled` sessions. */
  readonly path: string;
  /** An empty folder on a disk. */
  readonly root: string;
  readonly filled: number;
  readonly durationMs: number;
  readonly plansPerSecond: number;
}

export interface TurnsReport extends PlanPartTimes {
  readonly lookupP50Ms: number;
  readonly lookupP99Ms: number;
  readonly planP50Ms: number;
  readonly planP99Ms: number;
  readonly loopDelayP50Ms: number;
  readonly loopDelayP99Ms: number;
  readonly catalogBytesPerSegment: number;
  readonly rssMb: number;
  readonly sweptPerSecond: number;
  readonly unlinkedPerSecond: number;
  readonly failures: number;
}

const DELAY_RESOLUTION_MS = 1;
const LOOKUPS_PER_PLAN = 2;
const TAIL_TOKENS = 500;
const FILES_AT_ONCE = 64;

const job = JSON.parse(process.argv[2] ?? "") as TurnsJob;
let startedAt: number | undefined;
/** The wall clock stands until the measuring begins, so that nothing expires before. */
const nowMs = () =>
  START_MS + (startedAt === undefined ? 0 : Math.floor(performance.now() - startedAt));
/** The timers of the product keep no process alive: its listeners do, and here are none. */
const alive = setInterval(() => {}, 60_000);
const parts = new PlanParts();
const stand = await openStand({ path: job.path, root: job.root, nowMs, parts });
const prompts = await storePrompts(stand);
await makeFiles(stand);
const catalogBytesPerSegment = await bytesPerSegment(prompts);
console.log(JSON.stringify({ ...(await measure(stand, prompts)), catalogBytesPerSegment }));
await stand.close();
clearInterval(alive);

async function storePrompts(on: Stand): Promise<Prompt[]> {
  const random = randomOf(2);
  const count = Math.floor((job.plansPerSecond * job.durationMs) / 1_000);
  const made: Prompt[] = [];
  for (let number = 0; number < count; number += 1) {
    const session = `prompt-${number}`;
    const isStored = number % 3 !== 2;
    const ids = tokensOf(number, promptLength(random) + TAIL_TOKENS);
    if (isStored) await on.converse(session, ids.subarray(0, -TAIL_TOKENS));
    else await on.create(session);
    made.push({ session, ids, isStored });
  }
  return made;
}

/** Of the sessions that will be swept, and as the catalog knows them, so that they are unlinked. */
async function makeFiles({ location, store }: Stand): Promise<void> {
  const swept = Math.min(job.filled, job.durationMs / EXPIRY_STEP_MS);
  for (let number = 0; number < swept; number += FILES_AT_ONCE) {
    const names = Array.from({ length: FILES_AT_ONCE }, (_, at) => fileName(number + at));
    const made = await Promise.all(
      names.map(async (name) => ({ name, stat: await location.reserve(name, 1) })),
    );
    await store.write((tx) => {
      for (const { name, stat: known } of made) {
        if (known instanceof LocationFault) throw known;
        const ref = { location: LOCATION.id, name };
        if (files.get(tx, ref) !== undefined) {
          files.update(tx, ref, (file) => ({ ...file, stat: known }));
        }
      }
    });
  }
}

async function bytesPerSegment(stored: readonly Prompt[]): Promise<number> {
  const { size } = await stat(join(job.path, "data.mdb"));
  const sessions = job.filled + stored.filter(({ isStored }) => isStored).length;
  return size / (sessions * SEGMENTS_PER_SESSION);
}

async function measure(
  { catalog, location, desk, keys }: Stand,
  due: readonly Prompt[],
): Promise<Omit<TurnsReport, "catalogBytesPerSegment">> {
  const lookups = new Lookups(catalog, keys.tenant(""));
  const planMs: number[] = [];
  let failures = 0;
  const plan = async ({ session: id, ids, isStored }: Prompt): Promise<void> => {
    const session = { tenant: "", id };
    const from = performance.now();
    const prompt = sequenceOf(ids);
    const planned = await desk.plan({ session, prompt, maxNewTokens: 500, engine: "bench" });
    planMs.push(performance.now() - from);
    const isGood = planned.fresh.kind === "reserved" && planned.storedTokens > 0 === isStored;
    failures += Number(!isGood);
  };
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  parts.take();
  startedAt = performance.now();
  const end = startedAt + job.durationMs;
  const keeper = openBenchKeeper({ catalog, location, nowMs });
  delay.enable();
  const plans: Promise<void>[] = [];
  for (const [number, prompt] of due.entries()) {
    const dueAt = startedAt + (number * 1_000) / job.plansPerSecond;
    const waitMs = dueAt - performance.now();
    if (waitMs > 0) await pause(waitMs);
    plans.push(plan(prompt));
    for (let more = 0; more < LOOKUPS_PER_PLAN; more += 1) {
      await pause(0);
      lookups.lookup(due[(number * 31 + more * 17) % due.length] ?? prompt);
    }
    if (performance.now() > end) break;
  }
  await Promise.all(plans);
  delay.disable();
  const seconds = (performance.now() - startedAt) / 1_000;
  await keeper.close();
  const delayMs = (share: number) => delay.percentile(share) / 1e6 - DELAY_RESOLUTION_MS;
  return {
    lookupP50Ms: percentileOf(lookups.tookMs, 0.5),
    lookupP99Ms: percentileOf(lookups.tookMs, 0.99),
    planP50Ms: percentileOf(planMs, 0.5),
    planP99Ms: percentileOf(planMs, 0.99),
    ...parts.take(),
    loopDelayP50Ms: delayMs(50),
    loopDelayP99Ms: delayMs(99),
    rssMb: process.memoryUsage.rss() / 1e6,
    sweptPerSecond: (keeper.expired() * SEGMENTS_PER_SESSION) / seconds,
    unlinkedPerSecond: keeper.unlinked() / seconds,
    failures,
  };
}
