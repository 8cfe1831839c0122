/**
 * Child processes that cannot be forgotten: each is killed when this process ends, and its last lines of output are at
 * hand for the message when it fails.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, openSync } from "node:fs";
import { createInterface } from "node:readline";
import { compileCache } from "./compile-cache.ts";
import { spawnContainer } from "./container.ts";
import type { ContainerOptions } from "./container.ts";

const tailLines = 40;
const termGraceMs = 5_000;
const alive = new Set<ChildProcess>();

process.once("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // Unhandled, a signal ends this process without an `exit` event. A test runner ends its workers so.
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) process.exit(1);
  });
}

interface AnyChildOptions {
  /** Names the process in messages. */
  readonly label: string;
  /** A file to which its output is added, besides. */
  readonly logPath?: string;
}

export interface ChildOptions extends AnyChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** The same program from an image. */
export interface ContainerChildOptions extends AnyChildOptions, ContainerOptions {}

export interface Child {
  readonly label: string;
  readonly pid: number;
  /** Every line of standard output and error from now on. */
  onLine(listener: (line: string) => void): void;
  /** Its last lines of output. */
  tail(): string;
  /** Settles with a description of how it ended: `exit code 0`, `signal SIGKILL`. */
  readonly ended: Promise<string>;
  isRunning(): boolean;
  /** SIGKILL, as a crash. Resolves when it is gone. */
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL if that is not enough within 5 s. Idempotent. */
  close(): Promise<void>;
}

export function startChild(options: ChildOptions | ContainerChildOptions): Child {
  const child =
    "image" in options
      ? spawnContainer(options)
      : spawn(options.command, options.args, {
          stdio: ["ignore", "pipe", "pipe"],
          env: options.env ?? { ...compileCache, ...process.env },
        });
  const ended = waitForEnd(child);
  if (child.pid !== undefined) {
    alive.add(child);
    void ended.then(() => alive.delete(child));
  }

  const listeners: ((line: string) => void)[] = [];
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      tail.push(line);
      if (tail.length > tailLines) tail.shift();
      for (const listener of listeners) listener(line);
    });
  }

  if (options.logPath !== undefined) {
    // Opened at once: the last lines may come when its folder is gone.
    const log = createWriteStream("", { fd: openSync(options.logPath, "a") });
    listeners.push((line) => void log.write(`${line}\n`));
    child.once("close", () => log.end());
  }

  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await ended;
  };
  return {
    label: options.label,
    pid: child.pid ?? -1,
    onLine: (listener) => void listeners.push(listener),
    tail: () => tail.join("\n"),
    ended,
    isRunning: () => alive.has(child),
    kill: async () => end("SIGKILL"),
    signal: (name) => void child.kill(name),
    close: async () => {
      const timer = setTimeout(() => child.kill("SIGKILL"), termGraceMs);
      await end("SIGTERM").finally(() => clearTimeout(timer));
    },
  };
}

async function waitForEnd(child: ChildProcess): Promise<string> {
  try {
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    return signal === null ? `exit code ${code}` : `signal ${signal}`;
  } catch (reason) {
    return `not started: ${String(reason)}`; // `error` came instead: no such file
  }
}

export interface Readiness {
  readonly deadlineMs: number;
  /** Asked every 20 ms; `undefined` means not yet. A rejection too, since a connection may be refused at first. */
  readonly check: () => Promise<boolean>;
}

/** Whether a line of its output from now on has held the text. */
export function hasSaid(child: Child, text: string): () => boolean {
  let isSaid = false;
  child.onLine((line) => (isSaid ||= line.includes(text)));
  return () => isSaid;
}

/** Resolves when the child is ready. Rejects when it ends or the deadline passes, with the last lines of its output. */
export async function waitUntilReady(child: Child, readiness: Readiness): Promise<void> {
  let end: string | undefined;
  void child.ended.then((how) => (end = how));
  const deadline = performance.now() + readiness.deadlineMs;
  for (;;) {
    if (await readiness.check().catch(() => false)) return;
    if (end !== undefined) throw new Error(`${child.label} ended (${end}):\n${child.tail()}`);
    if (performance.now() > deadline) {
      await child.close();
      throw new Error(
        `${child.label} was not ready in ${readiness.deadlineMs} ms:\n${child.tail()}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
