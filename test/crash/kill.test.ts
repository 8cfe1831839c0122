/**
 * The service is killed at random moments of a busy day, and started again. CRASH_ROUNDS says how often, CRASH_SEED makes the same
 * choices again; what happens first is still up to the machine. So a day in which not all was seen yet that it is for goes on, up to
 * four times as long.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";

import type { Random } from "../../src/clock.ts";
import { lookAfterKill, lookForUnswept } from "../support/kv-aftermath.ts";
import { KvLedger } from "../support/kv-ledger.ts";
import { KvService, LOCATIONS } from "../support/kv-service.ts";
import { KvWorkload } from "../support/kv-workload.ts";
import { seededRandom } from "../support/random.ts";

const rounds = Number(process.env["CRASH_ROUNDS"] ?? 200);
const seed = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
const ROUND_MS = 20_000;
const CHECK_ROUNDS = 5;
const [MIB, GIB] = [2 ** 20, 2 ** 30];
const QUARANTINE_MS = 2_000;
/** More than a turn and its quarantine. */
const SWEEP_MS = 6_000;

/** Turns and quarantine are short, so that a day is a second long. */
const SECTIONS = {
  turns: "{ turnMs: 2000, settleMs: 1500, reservationTokens: 512, whenBusy: branch }",
  keeper: `{ intervalMs: 50, quarantineMs: ${QUARANTINE_MS} }`,
};

let service: KvService;
let workload: KvWorkload;
let ledger: KvLedger;
let random: Random;

beforeEach(async () => {
  random = seededRandom(seed);
  ledger = new KvLedger();
});
afterEach(async () => {
  await workload.close();
  await service.remove();
});

/** All is stored at one of two locations, and copied to the other: no faster than this, so that copies are under way at most moments. */
const COPIES = { replicas: "{ min: 2 }", readahead: `{ bytesPerSecond: ${MIB} }` };

/** Half of each location is kept free, since what waits in quarantine would be room enough for each that asks. */
async function open({ capacityBytes, places }: (typeof DAYS)[number]): Promise<void> {
  const limits = `capacityBytes: ${capacityBytes}, headroomBytes: ${capacityBytes / 2}`;
  const each = places.map(
    (id) => `{ id: ${id}, root: ${id}, uriPrefix: "file:///${id}/", ${limits} }`,
  );
  const copies = places.length > 1 ? COPIES : {};
  const locations = `[${each.join(", ")}]`;
  service = await KvService.create({ sections: { ...SECTIONS, ...copies, locations } });
  workload = new KvWorkload({ service, ledger, random });
}

/** Work until some moment, the last of this process; now and then there is none before that. */
async function liveAndDie(): Promise<void> {
  if (random() < 0.1) return dieInStart(random() * 400);
  await service.start();
  const answered = workload.answers(1 + Math.floor(random() * 100));
  const working = workload.run();
  await answered;
  await pause(random() * 50);
  if (random() < 0.25) await workload.killEngine();
  await service.kill();
  await working;
}

async function dieInStart(afterMs: number): Promise<void> {
  const started = service.start((child) => void setTimeout(() => child.kill("SIGKILL"), afterMs));
  await started.then(() => service.kill()).catch(() => {});
}

/** But for copies that were cut short, which nobody was told of and the keeper discards when no put can be that old. */
async function expectClean(when: string): Promise<void> {
  const found = await service.check();
  expect(found.at(-1), when).toMatch(/^[0-9]+ found, 0 mended$/);
  expect(
    found.slice(0, -1).filter((line) => !line.startsWith("leftover ")),
    when,
  ).toEqual([]);
}

/** Those too are gone when they are old enough to be nobody's. */
async function expectMended(): Promise<void> {
  await pause(QUARANTINE_MS);
  await service.check("--repair");
  expect(await service.check(), `seed ${seed}`).toEqual(["0 found, 0 mended"]);
}

/** Everybody has gone, and nothing is left of what they stored, whenever it was and whoever died over it. */
async function expectAllSwept(): Promise<void> {
  await service.start();
  await workload.endAll();
  await service.kill();
  for (let attempt = 1; ; attempt++) {
    await service.start();
    await pause(SWEEP_MS);
    await service.kill();
    const { due, forever } = await lookForUnswept(service);
    expect(forever, `seed ${seed}`).toEqual([]);
    if (attempt === 5) expect(due, `seed ${seed}`).toEqual([]);
    if (due.length === 0) break;
  }
  await expectClean(`after the end, seed ${seed}`);
}

/** Half of the rounds each. The small location has room for what a round or two store. */
const DAYS = [
  {
    where: "with room for all and a copy of each",
    room: "plenty",
    capacityBytes: GIB,
    places: LOCATIONS,
  },
  {
    where: "at a location that is too small",
    room: "scarce",
    capacityBytes: 6 * MIB,
    places: LOCATIONS.slice(0, 1),
  },
] as const;
const halfOfRounds = Math.ceil(rounds / DAYS.length);
const MOST_ROUNDS = 4 * halfOfRounds;

/** By name, and whether it was. */
function seen({ room, places }: (typeof DAYS)[number]) {
  return {
    commits: (workload.counts.get("commit 200") ?? 0) > halfOfRounds,
    moves: ledger.moved.size > 0,
    evictions: room === "plenty" || ledger.evicted.size > 0,
    copies: places.length === 1 || ledger.copied.size > 0,
    copiesCutShort: places.length === 1 || ledger.copiesCutShort > 0,
  };
}

function isAllSeen(day: (typeof DAYS)[number]): boolean {
  return !Object.values(seen(day)).includes(false);
}

async function live(day: (typeof DAYS)[number]): Promise<void> {
  const { room } = day;
  const started = performance.now();
  await open(day);
  for (let round = 1; round <= halfOfRounds || !isAllSeen(day); round++) {
    if (round > MOST_ROUNDS) break;
    await liveAndDie();
    const { problems, ...counts } = await lookAfterKill(service, { ledger, room });
    expect(problems, `round ${round}, seed ${seed}`).toEqual([]);
    if (round % CHECK_ROUNDS === 0) await expectClean(`round ${round}, seed ${seed}`);
    if (round % 10 === 0 || round === halfOfRounds) {
      const seconds = Math.round((performance.now() - started) / 1000);
      const [evicted, moved] = [ledger.evicted.size, ledger.moved.size];
      const { copiesCutShort: cutShort } = ledger;
      const copied = ledger.copied.size;
      const line = `seed ${seed}, round ${round}, ${seconds} s`;
      console.log(line, { ...counts, evicted, moved, copied, cutShort }, workload.counts);
    }
  }
}

it.each(DAYS)(
  `loses nothing that was said to be durable, and lists nothing else, when it is killed ${halfOfRounds} times (seed ${seed}) $where`,
  async (day) => {
    await live(day);
    const all = { commits: true, moves: true, evictions: true, copies: true, copiesCutShort: true };
    expect(seen(day)).toEqual(all);
    if (day.room === "plenty") expect(ledger.evicted.size).toBe(0);
    if (day.places.length === 1) expect(ledger.copied.size).toBe(0);
    await expectMended();
    await expectAllSwept();
  },
  rounds * ROUND_MS + 20 * SWEEP_MS,
);
