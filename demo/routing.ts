/**
 * Real conversations through a real Envoy, first balanced round robin, then with Moorline, then with Moorline while an engine
 * dies and comes back; at the end a table.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { envoyBinary, envoyVersion } from "../envoy/fetch.ts";
import { startCluster } from "./cluster.ts";
import type { Cluster } from "./cluster.ts";
import { showProgress } from "./progress.ts";
import type { Progress } from "./progress.ts";
import { replay } from "./replay/replay.ts";
import type { Outcome } from "./replay/replay.ts";
import { summarize } from "./replay/summary.ts";
import type { Outage, Summary } from "./replay/summary.ts";
import { formatLegend, formatNextSteps, formatTable } from "./report.ts";
import type { EngineProcess } from "./stack/engine.ts";
import type { Stage } from "./stage.ts";
import { assignSessions, parseTrace } from "./trace/sessions.ts";
import type { SessionRequest } from "./trace/sessions.ts";

/** The ten minutes of the sample become twelve seconds. */
const speedup = 50;
/** When the engine dies and when it comes back, as shares of the requests done. */
const killAt = 0.4;
const reviveAt = 0.7;
const reviveDeadlineMs = 5_000;

export async function runRoutingDemo({ signal, onStart }: Stage): Promise<string> {
  const requests = assignSessions(
    parseTrace(await readFile(join(import.meta.dirname, "trace", "conversations.jsonl"), "utf8")),
  );
  const sessions = new Set(requests.map(({ session }) => session)).size;
  const binary = await envoyBinary();
  console.log(`Envoy ${await envoyVersion(binary)}: ${binary}`);
  console.log("Starting 4 simulated engines, Moorline and Envoy.");
  const cluster = await startCluster(onStart);
  console.log(
    `Replaying ${requests.length} requests of ${sessions} conversations, ${speedup} times faster. They are reconstructed\n` +
      "from Mooncake's public trace, which demo/trace/README.md describes.",
  );

  const pass = { cluster, requests, signal };
  const results = {
    roundRobin: await runPass({ ...pass, label: "round robin", url: cluster.roundRobinUrl }),
    moorline: await runPass({ ...pass, label: "Moorline", url: cluster.moorlineUrl }),
    killed: await runPass({ ...pass, label: "engine killed", url: cluster.moorlineUrl, strike }),
  };
  console.log(`\n${formatTable(results)}\n\n${formatLegend()}`);
  return formatNextSteps(cluster);
}

interface Pass {
  readonly cluster: Cluster;
  readonly requests: readonly SessionRequest[];
  readonly signal: AbortSignal;
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
  const { cluster, requests, signal, url } = pass;
  await Promise.all(cluster.engines.map(async (engine) => engine.flush()));
  const outcomes: Outcome[] = [];
  const engines = cluster.engines.map(({ name }) => name);
  const progress = showProgress({ ...pass, total: requests.length, outcomes, engines, signal });
  const startMs = performance.now();
  const elapsedMs = () => performance.now() - startMs;
  const [outage] = await Promise.all([
    pass.strike?.({ ...pass, outcomes, progress, elapsedMs }),
    replay({ requests, url, speedup, signal, onOutcome: (outcome) => void outcomes.push(outcome) }),
  ]);
  progress.finish();
  return summarize(outcomes, outage);
}

/** Kills the busiest engine under load, and starts it again later. */
async function strike(pass: RunningPass): Promise<Outage> {
  const { cluster, outcomes, requests, signal, progress, elapsedMs } = pass;
  await waitUntil(() => outcomes.length >= requests.length * killAt, signal);
  const victim = busiest(cluster.engines, outcomes);
  const fromMs = elapsedMs();
  await victim.kill();
  progress.note(`  kill -9: engine ${victim.name}`);

  await waitUntil(() => outcomes.length >= requests.length * reviveAt, signal);
  await victim.start();
  const deadlineMs = elapsedMs() + reviveDeadlineMs;
  while (!(await cluster.isReady(victim))) {
    if (elapsedMs() > deadlineMs) throw new Error(`engine ${victim.name} was not seen again`);
    await sleep(20, undefined, { signal });
  }
  progress.note(`  engine ${victim.name} is back, with an empty cache`);
  return { engine: victim.name, fromMs, untilMs: elapsedMs() };
}

function busiest(engines: readonly EngineProcess[], outcomes: readonly Outcome[]): EngineProcess {
  const served = ({ name }: EngineProcess) =>
    outcomes.filter(({ result }) => result.failure === undefined && result.engine === name).length;
  return engines.reduce((best, engine) => (served(engine) > served(best) ? engine : best));
}

async function waitUntil(isTrue: () => boolean, signal: AbortSignal): Promise<void> {
  while (!isTrue()) await sleep(10, undefined, { signal });
}
