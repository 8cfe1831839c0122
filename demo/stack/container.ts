/**
 * A program in a container, to be used like a child process of this machine: the same network, its folders at the
 * same paths, signals that reach the program, and an exit status that is the program's. It is given as little as it should
 * be in production: no root, no capability, nothing to write but its folders.
 */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chownSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";

/** `nobody`. One for all programs, because Moorline's Unix socket is for its own user and group. */
const user = 65_534;

/** The distribution's client first: it fits the distribution's daemon, which a newer one may refuse to speak to. */
export const dockerCommand = existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";

export interface ContainerOptions {
  readonly image: string;
  readonly args: readonly string[];
  /** What it shares with this machine, at the same paths. They and what is in them become the program's own. */
  readonly folders: readonly string[];
}

/** As `spawn`. The daemon is the one that DOCKER_HOST names. */
export function spawnContainer(
  options: ContainerOptions,
): ChildProcessByStdio<null, Readable, Readable> {
  const name = `moorline-${randomUUID()}`;
  for (const folder of options.folders) giveAway(folder);
  const client = spawn(
    dockerCommand,
    [
      "run",
      "--rm",
      ["--name", name],
      ["--network", "host"],
      ["--user", `${user}:${user}`],
      "--read-only",
      ["--cap-drop", "ALL"],
      ["--security-opt", "no-new-privileges"],
      "--no-healthcheck", // its process would take time from what is measured
      options.folders.flatMap((folder) => ["--volume", `${folder}:${folder}`]),
      options.image,
      options.args,
    ].flat(2),
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  // A signal to the client would be passed on, but for SIGKILL, which would leave the container running.
  client.kill = (signal = "SIGTERM") =>
    spawnSync(dockerCommand, ["kill", `--signal=${signal}`, name]).status === 0;
  return client;
}

function giveAway(folder: string): void {
  chownSync(folder, user, user);
  for (const entry of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    chownSync(join(folder, entry), user, user);
  }
}
