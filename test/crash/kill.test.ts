/**
 * The service is killed at random moments of a busy day, and started again. CRASH_ROUNDS says how often, CRASH_SEED makes the same
 * choices again; what happens first is still up to the machine.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";

import type { Random } from "../../src/clock.ts";
import { lookAfterKill } from "../support/kv-aftermath.ts";
import { KvLedger } from "../support/kv-ledger.ts";
import { KvService } from "../support/kv-service.ts";
import { KvWorkload } from "../support/kv-workload.ts";
import { seededRandom } from "../support/random.ts";

const rounds = Number(process.env["CRASH_ROUNDS"] ?? 200);
const seed = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
const ROUND_MS = 20_000;

/** Turns and quarantine are short, so that a day is a second long. */
const SECTIONS = {
  turns: "{ turnMs: 2000, settleMs: 1500, reservationTokens: 512, whenBusy: branch }",
  keeper: "{ intervalMs: 50, quarantineMs: 2000 }",
};

let service: KvService;
let workload: KvWorkload;
let ledger: KvLedger;
let random: Random;

beforeEach(async () => {
  random = seededRandom(seed);
  service = await KvService.create({ sections: SECTIONS });
  ledger = new KvLedger();
  workload = new KvWorkload({ service, ledger, random });
});
afterEach(async () => {
  await workload.close();
  await service.remove();
});

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

it(
  `loses nothing that was said to be durable, and lists nothing else, when it is killed ${rounds} times (seed ${seed})`,
  async () => {
    const started = performance.now();
    for (let round = 1; round <= rounds; round++) {
      await liveAndDie();
      const { problems, ...counts } = await lookAfterKill(service, ledger);
      expect(problems, `round ${round}, seed ${seed}`).toEqual([]);
      if (round % 10 === 0 || round === rounds) {
        const seconds = Math.round((performance.now() - started) / 1000);
        console.log(`seed ${seed}, round ${round}, ${seconds} s`, counts, workload.counts);
      }
    }
    expect(workload.counts.get("commit 200")).toBeGreaterThan(rounds);
  },
  rounds * ROUND_MS,
);
