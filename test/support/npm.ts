/** npm scripts as a user starts them: a signal goes to npm, and nothing of what it started may stay. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished, vi } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const goneDeadlineMs = 5_000;

export interface NpmOptions {
  readonly args: readonly string[];
  /** Over the environment of this process; undefined takes a variable away. */
  readonly env?: NodeJS.ProcessEnv;
  /** Which signal npm gets when a line of standard output holds the text. */
  readonly signalAt?: { readonly text: string; readonly signal: NodeJS.Signals };
}

export interface NpmRun {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Resolves when npm has ended and every process of its group is gone. Rejects when one outlives npm by 5 s. */
export async function runNpm({ args, env = {}, signalAt }: NpmOptions): Promise<NpmRun> {
  const child = spawn("npm", ["--loglevel=error", ...args], {
    cwd: root,
    detached: true, // a process group of its own
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const group = -(child.pid ?? Number.NaN);
  onTestFinished(() => void signalGroup(group, "SIGKILL"));
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const closed = once(child, "close"); // all output is read
  const output = { stdout: "", stderr: "" };
  let isSignalled = false;
  for (const name of ["stdout", "stderr"] as const) {
    createInterface({ input: child[name] }).on("line", (line) => {
      output[name] += `${line}\n`;
      if (name !== "stdout" || signalAt === undefined || isSignalled) return;
      if (!line.includes(signalAt.text)) return;
      isSignalled = true;
      child.kill(signalAt.signal);
    });
  }
  const [code, signal] = await exited;
  await vi.waitUntil(() => !signalGroup(group, 0), { timeout: goneDeadlineMs });
  await closed;
  return { code, signal, ...output };
}

/** Whether the group has a process. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(group, signal);
  } catch {
    return false;
  }
}
