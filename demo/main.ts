/**
 * `npm run demo`: real conversations through a real Envoy, first balanced round robin, then with Moorline, then with Moorline
 * while an engine dies and comes back; at the end a table. `--keep` leaves everything running afterwards, to try things out.
 * An interrupt at any time closes what was started.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startCluster } from "./cluster.ts";
import type { Cluster } from "./cluster.ts";
import { showProgress } from "./progress.ts";
import type { Progress } from "./progress.ts";
import { replay } from "./replay/replay.ts";
import type { Outcome } from "./replay/replay.ts";
import { summarize } from "./replay/summary.ts";
import type { Outage, Summary } from "./replay/summary.ts";
import { formatNextSteps, formatTable } from "./report.ts";
import type { EngineProcess } from "./stack/engine.ts";
import { assignSessions, parseTrace } from "./trace/sessions.ts";
import type { SessionRequest } from "./trace/sessions.ts";

/** The ten minutes of the sample become twelve seconds. */
const speedup = 50;
/** When the engine dies and when it comes back, as shares of the requests done. */
const killAt = 0.4;
const reviveAt = 0.7;
const reviveDeadlineMs = 5_000;

const { values: options } = parseArgs({ options: { keep: { type: "boolean", default: false } } });
const closers: (() => Promise<void>)[] = [];
let isInterrupted = false;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // A second one ends at once; the children die with this process either way.
  process.once(signal, () => {
    isInterrupted = true;
    console.log("\nStopping.");
    void closeAll().finally(() => process.exit(130));
  });
}

try {
  await run();
} catch (reason) {
  if (!isInterrupted) throw reason; // else it is only what closing does to a run
} finally {
  await closeAll();
}

async function run(): Promise<void> {
  const requests = assignSessions(
    parseTrace(await readFile(join(import.meta.dirname, "trace", "conversations.jsonl"), "utf8")),
  );
  const sessions = new Set(requests.map(({ session }) => session)).size;
  console.log(`Starting 4 engines, Moorline and Envoy.`);
  const cluster = await startCluster((part) => void closers.push(async () => part.close()));
  console.log(
    `Replaying ${requests.length} requests of ${sessions} conversations (Mooncake's public trace), ${speedup} times faster.`,
  );

  const pass = { cluster, requests };
  const results = {
    roundRobin: await runPass({ ...pass, label: "round robin", url: cluster.roundRobinUrl }),
    moorline: await runPass({ ...pass, label: "Moorline", url: cluster.moorlineUrl }),
    killed: await runPass({ ...pass, label: "engine killed", url: cluster.moorlineUrl, strike }),
  };
  console.log(`\n${formatTable(results)}\n`);
  if (!options.keep) {
    console.log("`npm run demo -- --keep` leaves it all running, with commands to try.");
    return;
  }
  console.log(formatNextSteps(cluster));
  console.log("\nCtrl-C stops everything.");
  await once(process, "SIGINT");
}

interface Pass {
  readonly cluster: Cluster;
  readonly requests: readonly SessionRequest[];
  readonly label: string;
  readonly url: string;
  /** What happens meanwhile. */
  readonly strike?: (pass: RunningPass) => Promise<Outage>;
}

interface RunningPass extends Pass {
  /** In the order of their ends; grows. */
  readonly outcomes: readonly Outcome[];
  readonly progress: Progress;
  readonly elapsedMs: () => number;
}

/** Every pass begins with empty caches and with sessions that nobody has seen. */
async function runPass(pass: Pass): Promise<Summary> {
  const { cluster, requests, url } = pass;
  await Promise.all(cluster.engines.map(async (engine) => engine.flush()));
  const outcomes: Outcome[] = [];
  const engines = cluster.engines.map(({ name }) => name);
  const progress = showProgress({ ...pass, total: requests.length, outcomes, engines });
  const startMs = performance.now();
  const elapsedMs = () => performance.now() - startMs;
  const [outage] = await Promise.all([
    pass.strike?.({ ...pass, outcomes, progress, elapsedMs }),
    replay({ requests, url, speedup, onOutcome: (outcome) => void outcomes.push(outcome) }),
  ]);
  progress.finish();
  return summarize(outcomes, outage);
}

/** Kills the busiest engine under load, and starts it again later. */
async function strike(pass: RunningPass): Promise<Outage> {
  const { cluster, outcomes, requests, progress, elapsedMs } = pass;
  await waitUntil(() => outcomes.length >= requests.length * killAt);
  const victim = busiest(cluster.engines, outcomes);
  const fromMs = elapsedMs();
  await victim.kill();
  progress.note(`  kill -9: engine ${victim.name}`);

  await waitUntil(() => outcomes.length >= requests.length * reviveAt);
  await victim.start();
  const deadlineMs = elapsedMs() + reviveDeadlineMs;
  while (!(await cluster.isReady(victim))) {
    if (elapsedMs() > deadlineMs) throw new Error(`engine ${victim.name} was not seen again`);
    await sleep(20);
  }
  progress.note(`  engine ${victim.name} is back, with an empty cache`);
  return { engine: victim.name, fromMs, untilMs: elapsedMs() };
}

function busiest(engines: readonly EngineProcess[], outcomes: readonly Outcome[]): EngineProcess {
  const served = ({ name }: EngineProcess) =>
    outcomes.filter(({ result }) => result.failure === undefined && result.engine === name).length;
  return engines.reduce((best, engine) => (served(engine) > served(best) ? engine : best));
}

async function waitUntil(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(10);
}

/** In reverse order of start, each once. */
async function closeAll(): Promise<void> {
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
}
