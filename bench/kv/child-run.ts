/** Parts of the benchmark that run as a process of their own, so that they measure a server without being in its way. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { startChild, waitUntilReady, type Child } from "../../demo/stack/child.ts";
import type { ReadJob } from "./read-bodies.ts";
import type { RuleTimes } from "./rules.ts";
import type { SendJob } from "./send-body.ts";
import type { TurnsJob, TurnsReport } from "./turns.ts";

const run = promisify(execFile);

const LIMIT_MS = 300_000;

/** Seconds from the first request to the last byte. */
export function readBodies(job: ReadJob): Promise<number> {
  return secondsOf("read-bodies.ts", job);
}

/** Seconds from the first byte to the answer. */
export function sendBody(job: SendJob): Promise<number> {
  return secondsOf("send-body.ts", job);
}

export async function measureTurns(job: TurnsJob): Promise<TurnsReport> {
  return JSON.parse(await outputOf("turns.ts", job)) as TurnsReport;
}

/** `path`: of a catalog, which is changed. */
export async function measureRules(path: string): Promise<RuleTimes> {
  return JSON.parse(await outputOf("rules.ts", path)) as RuleTimes;
}

async function secondsOf(script: string, job: ReadJob | SendJob): Promise<number> {
  return Number(await outputOf(script, job));
}

async function outputOf(script: string, job: object | string): Promise<string> {
  const path = join(import.meta.dirname, script);
  const args = [path, typeof job === "string" ? job : JSON.stringify(job)];
  const { stdout } = await run(process.execPath, args, { timeout: LIMIT_MS });
  return stdout;
}

export interface DiscardServer {
  readonly port: number;
  readonly child: Child;
}

/** `root`: an empty folder for it. Takes bodies of so many bytes. */
export async function startDiscardServer(root: string, bytes: number): Promise<DiscardServer> {
  const path = join(import.meta.dirname, "discard-server.ts");
  const args = [path, root, String(bytes)];
  const child = startChild({ label: "discard server", command: process.execPath, args });
  let port = 0;
  child.onLine((line) => {
    if (line.startsWith("listening ")) port = Number(line.slice(10));
  });
  await waitUntilReady(child, { deadlineMs: 30_000, check: async () => port > 0 });
  return { port, child };
}
