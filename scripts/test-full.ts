/**
 * The suites that need more than `npm test` does: packages of Debian or Ubuntu and root, more of PyPI, or more time. Installs what is
 * missing, then runs all of them, or those that are named: `node scripts/test-full.ts docker`. A suite that cannot run here has failed.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { delimiter, join, resolve } from "node:path";

interface Suite {
  readonly name: string;
  /** The package that brings each command. */
  readonly packages: Readonly<Record<string, string>>;
  /** Beside this file, with its arguments. */
  readonly script: string;
  readonly args?: readonly string[];
}

const suites: readonly Suite[] = [
  {
    name: "docker",
    packages: { dockerd: "docker.io", iptables: "iptables", debootstrap: "debootstrap" },
    script: "test-docker.ts",
  },
  { name: "crash", packages: {}, script: "test-crash.ts" },
  { name: "llama", packages: {}, script: "test-llama.ts" },
  { name: "truth", packages: {}, script: "test-truth.ts" },
  { name: "truth-llama", packages: {}, script: "test-truth.ts", args: ["llama"] },
];

const environment = {
  PATH: `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`, // where daemons are
  DEBIAN_FRONTEND: "noninteractive",
};

// A suite cleans up when it is told to end: pass that on, and wait for it.
let running: ChildProcess | undefined;
let isStopped = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    isStopped = true;
    running?.kill(signal);
  });
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => suites.every((suite) => suite.name !== name));
  if (unknown.length > 0) return fail(`no such suite: ${unknown.join(", ")}`);
  const chosen = suites.filter(({ name }) => names.length === 0 || names.includes(name));
  const rooted = chosen.filter(({ packages }) => Object.keys(packages).length > 0);
  if (rooted.length > 0 && (process.platform !== "linux" || process.getuid?.() !== 0)) {
    const titles = rooted.map(({ name }) => name).join(", ");
    return fail(`not run: ${titles} needs Linux, root, and apt for what is missing.`);
  }
  const missing = missingPackages(chosen);
  if (missing.length > 0 && !(await install(missing))) {
    return fail(`apt could not install ${missing.join(", ")}`);
  }
  const failed = [];
  for (const { name, script, args = [] } of chosen) {
    if (isStopped) break;
    const path = resolve(import.meta.dirname, script);
    if (!(await succeeds(process.execPath, [path, ...args]))) failed.push(name);
  }
  if (isStopped) return fail("stopped");
  return failed.length === 0 ? 0 : fail(`failed: ${failed.join(", ")}`);
}

function missingPackages(chosen: readonly Suite[]): string[] {
  const needed = chosen.flatMap(({ packages }) => Object.entries(packages));
  return needed.filter(([command]) => !isOnPath(command)).map(([, name]) => name);
}

async function install(packages: readonly string[]): Promise<boolean> {
  console.log(`apt-get install ${packages.join(" ")}`);
  const options = ["--quiet=2", "--yes", "--no-install-recommends"];
  return (
    (await succeeds("apt-get", ["update", "--quiet=2"])) &&
    (await succeeds("apt-get", ["install", ...options, ...packages]))
  );
}

async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  running = spawn(command, args, { stdio: "inherit", env: { ...process.env, ...environment } });
  const [code] = (await once(running, "exit")) as [number | null];
  return code === 0;
}

function isOnPath(command: string): boolean {
  return environment.PATH.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function fail(message: string): number {
  console.error(message);
  return 1;
}

process.exitCode = await main(process.argv.slice(2));
