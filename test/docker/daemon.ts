/**
 * A Docker daemon of our own, apart from any other on the machine: its own socket, data and namespace in containerd, and no
 * change to the machine's network, which is why every container uses the network of the host. Its data stays in the
 * cache, so that images are built from what the last run left.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { dockerCommand } from "../../demo/stack/container.ts";
import { run } from "./command.ts";
import type { CommandOptions } from "./command.ts";

const readyDeadlineMs = 60_000;
const stopDeadlineMs = 20_000;
const logTailLines = 20;

export interface DockerDaemon {
  /** For DOCKER_HOST. */
  readonly host: string;
  readonly docker: (args: readonly string[], options?: CommandOptions) => Promise<string>;
  /** Removes every container and ends the daemon. */
  close(): Promise<void>;
}

/** `folder` keeps data and log. A second daemon on the same folder is refused by dockerd itself. */
export async function openDaemon(folder: string): Promise<DockerDaemon> {
  await mkdir(folder, { recursive: true });
  // Short, because sockets lie in it, and their paths have about 100 characters at most.
  const runtime = await mkdtemp(join(tmpdir(), "moorline-docker-"));
  const host = `unix://${join(runtime, "docker.sock")}`;
  const logPath = join(folder, "dockerd.log");
  const log = openSync(logPath, "w");
  const child = spawn(
    "unshare", // becomes dockerd, in a mount namespace of its own: what it mounts is gone when it is
    [
      ["--mount", "dockerd"],
      ["--host", host],
      ["--data-root", join(folder, "data")],
      ["--exec-root", join(runtime, "exec")],
      ["--pidfile", join(folder, "dockerd.pid")],
      ["--containerd-namespace", "moorline-test"],
      ["--containerd-plugins-namespace", "moorline-test-plugins"],
      ["--iptables=false", "--ip-forward=false", "--bridge=none"],
    ].flat(),
    { detached: true, stdio: ["ignore", log, log] }, // detached: Ctrl-C must not end it before its containers
  );
  const docker: DockerDaemon["docker"] = async (args, options = {}) =>
    run(dockerCommand, args, { ...options, env: { ...options.env, DOCKER_HOST: host } });
  const close = async () => {
    await removeContainers(docker).catch(() => {}); // the daemon may be the one that failed
    await stop(child);
    await rm(runtime, { recursive: true, force: true });
  };
  try {
    await untilReady(child, docker);
  } catch (reason) {
    await close();
    const tail = (await readFile(logPath, "utf8")).trim().split("\n").slice(-logTailLines);
    throw new Error(`dockerd does not run here:\n${tail.join("\n")}`, { cause: reason });
  }
  return { host, docker, close };
}

async function untilReady(child: ChildProcess, docker: DockerDaemon["docker"]): Promise<void> {
  const deadline = AbortSignal.timeout(readyDeadlineMs);
  const failed = once(child, "exit", { signal: deadline }).then(() => {
    throw new Error("it ended");
  });
  const answered = (async () => {
    while (!deadline.aborted && child.exitCode === null) {
      if (await docker(["version"]).then(Boolean, () => false)) return;
      await delay(100);
    }
  })();
  await Promise.race([failed, answered]);
}

async function removeContainers(docker: DockerDaemon["docker"]): Promise<void> {
  const ids = (await docker(["ps", "--all", "--quiet"])).split("\n").filter((id) => id !== "");
  if (ids.length > 0) await docker(["rm", "--force", ...ids]);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopDeadlineMs);
  await ended;
  clearTimeout(timer);
}
