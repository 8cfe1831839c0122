/**
 * What routing through Moorline costs. One Envoy offers four ways to the same endpoints: round robin, its own ring_hash, Moorline,
 * and a minimal grpc-go ext_proc server. All are measured in one run by one client in alternating order, so that a noisy machine
 * is noisy to all of them; figures are medians over the rounds of differences and ratios within a round.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { formatGoals } from "../goals.ts";
import { cpuTimeMs } from "./cpu.ts";
import type { Way } from "./envoy-config.ts";
import { goals } from "./goals.ts";
import type { LoadReport } from "./load.ts";
import { summarise, table, type Figures, type Round, type RoutingResult } from "./report.ts";
import { startStack, type Contender, type Stack } from "./stack.ts";

interface Plan {
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly closedMs: number;
  readonly open500Ms: number;
  readonly open2000Ms: number;
}

const fullPlan: Plan = {
  rounds: 3,
  warmUpMs: 3_000,
  closedMs: 4_000,
  open500Ms: 6_000,
  open2000Ms: 4_000,
};
const quickPlan: Plan = {
  rounds: 1,
  warmUpMs: 500,
  closedMs: 1_000,
  open500Ms: 1_000,
  open2000Ms: 1_000,
};
const CONNECTIONS = 16;

export async function runRouting({ isQuick }: { isQuick: boolean }): Promise<RoutingResult> {
  const heapMb = await measureHeap();
  progress(`100,000 bindings take ${heapMb} MB`);
  const stack = await startStack(progress);
  try {
    const rounds = await measure(stack, isQuick ? quickPlan : fullPlan);
    const result = summarise(rounds, heapMb);
    const title = isQuick ? "goals, of which a quick run says little" : "goals";
    progress(`${title}\n${formatGoals(goals, result)}`);
    return result;
  } finally {
    await stack.close();
  }
}

async function measureHeap(): Promise<number> {
  const script = join(import.meta.dirname, "heap.ts");
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", script]);
  return Number(stdout);
}

async function measure({ contenders }: Stack, plan: Plan): Promise<Round[]> {
  for (const { client } of contenders) {
    await client.closedLoop({ connections: CONNECTIONS, durationMs: plan.warmUpMs });
  }
  const rounds: Round[] = [];
  while (rounds.length < plan.rounds) {
    const order = rounds.length % 2 === 0 ? contenders : contenders.toReversed();
    const figures = new Map<Way, Figures>();
    for (const contender of order) figures.set(contender.way, await measureOne(contender, plan));
    const round = roundOf(figures);
    rounds.push(round);
    progress(`round ${rounds.length} of ${plan.rounds}\n${table(round)}`);
  }
  return rounds;
}

function roundOf(figures: ReadonlyMap<Way, Figures>): Round {
  const of = (way: Way) => {
    const found = figures.get(way);
    if (found === undefined) throw new Error(`${way} was not measured`);
    return found;
  };
  return {
    round_robin: of("round_robin"),
    ring_hash: of("ring_hash"),
    moorline: of("moorline"),
    grpc_go: figures.get("grpc_go"),
  };
}

async function measureOne({ client, sidecarPid }: Contender, plan: Plan): Promise<Figures> {
  const max = { connections: CONNECTIONS, durationMs: plan.closedMs };
  const closed = await withCpu(sidecarPid, async () => client.closedLoop(max));
  const at500 = await client.openLoop({ ratePerSecond: 500, durationMs: plan.open500Ms });
  const steady = { ratePerSecond: 2_000, durationMs: plan.open2000Ms };
  const at2000 = await withCpu(sidecarPid, async () => client.openLoop(steady));
  return {
    closed: closed.report,
    cpuUsAtMax: closed.cpuUs,
    at500,
    at2000: at2000.report,
    cpuUsAt2000: at2000.cpuUs,
  };
}

/** CPU time per request of the process under a load; undefined without a process, or where its time cannot be read. */
async function withCpu(pid: number | undefined, load: () => Promise<LoadReport>) {
  const cpuMs = async () => (pid === undefined ? undefined : cpuTimeMs(pid));
  const before = await cpuMs();
  const report = await load();
  const after = await cpuMs();
  const isKnown = before !== undefined && after !== undefined;
  return { report, cpuUs: isKnown ? ((after - before) * 1_000) / report.requests : undefined };
}

function progress(text: string): void {
  console.error(text);
}
