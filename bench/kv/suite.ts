/**
 * What the session KV service does: bytes out and in over HTTP, beside nginx, `dd` and a server that writes nothing; and turns over
 * a catalog with a million segments in 100,000 sessions while a sweeper deletes 10,000 of them each second. Peers are measured in
 * the same run in alternating order, so that a noisy machine is noisy to all of them.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { formatGoals } from "../goals.ts";
import { measureRules, measureTurns } from "./child-run.ts";
import { copyFilledCatalog } from "./kept-catalog.ts";
import { type GetPlan, measureGet } from "./get.ts";
import { goals } from "./goals.ts";
import { measurePut, type PutPlan } from "./put.ts";
import { getTable, type KvResult, putTable, rulesTable, summarise, turnsTable } from "./report.ts";
import { startService, workFolder } from "./service.ts";
import { SEGMENTS_PER_SESSION } from "./scale.ts";
import type { TurnsReport } from "./turns.ts";

const MIB = 1024 * 1024;

export interface KvPlan {
  readonly get: GetPlan;
  readonly put: PutPlan;
  readonly turns: {
    /** In the catalog before those that are planned for. */
    readonly sessions: number;
    readonly durationMs: number;
    readonly plansPerSecond: number;
  };
}

const fullPlan: KvPlan = {
  get: { rounds: 9, peer: "nginx", segments: 16, segmentBytes: 64 * MIB },
  put: { rounds: 5, bodyBytes: 256 * MIB },
  turns: { sessions: 99_000, durationMs: 30_000, plansPerSecond: 50 },
};
const quickPlan: KvPlan = {
  get: { rounds: 1, peer: "nginx", segments: 2, segmentBytes: 8 * MIB },
  put: { rounds: 1, bodyBytes: 8 * MIB },
  turns: { sessions: 200, durationMs: 500, plansPerSecond: 20 },
};

export function runKv({ isQuick }: { isQuick: boolean }): Promise<KvResult> {
  return measureKv(isQuick ? quickPlan : fullPlan, (text) => console.error(text));
}

export async function measureKv(plan: KvPlan, progress: (text: string) => void): Promise<KvResult> {
  const { gets, puts } = await measureBytes(plan, progress);
  const turns = await measureCatalog(plan, progress);
  const result = summarise({ gets, puts, turns });
  progress(`goals\n${formatGoals(goals, result)}`);
  return result;
}

async function measureBytes(plan: KvPlan, progress: (text: string) => void) {
  const service = await startService();
  try {
    const gets = await measureGet(service, plan.get, progress);
    progress(`GET of ${plan.get.segments} segments\n${getTable(gets)}`);
    const puts = await measurePut(service, plan.put);
    progress(`durable PUT\n${putTable(puts)}`);
    return { gets, puts };
  } finally {
    await service.close();
  }
}

async function measureCatalog(
  { turns }: KvPlan,
  progress: (text: string) => void,
): Promise<TurnsReport> {
  const { sessions: filled, durationMs, plansPerSecond } = turns;
  const work = await workFolder();
  try {
    const path = join(work.path, "catalog");
    const root = join(work.path, "root");
    await mkdir(root);
    await copyFilledCatalog(path, filled, progress);
    progress(`turns over ${filled * SEGMENTS_PER_SESSION} segments and those of the prompts`);
    const report = await measureTurns({ path, root, filled, durationMs, plansPerSecond });
    progress(turnsTable(report));
    progress(`how long rules hold the event loop, in ms\n${rulesTable(await measureRules(path))}`);
    if (report.failures > 0) throw new Error(`${report.failures} plans were not as they should be`);
    return report;
  } finally {
    await work.close();
  }
}
