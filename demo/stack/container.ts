/**
 * A program in a container, to be used like a child process of this machine: the same network, the same paths under the
 * temporary folder, signals that reach the program, and an exit status that is the program's. It is given as little as in
 * production: no root, no capability, nothing to write but its folder.
 */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chownSync, existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";

/** `nobody`. One for all programs, because Moorline's Unix socket is for its own user and group. */
const user = 65_534;

/** The distribution's client first: it fits the distribution's daemon, which a newer one may refuse to speak to. */
export const dockerCommand = existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";

export interface ContainerOptions {
  readonly image: string;
  readonly args: readonly string[];
  /** Under the temporary folder. It and what is in it become the program's own. */
  readonly folder: string;
}

/** As `spawn`. The daemon is the one that DOCKER_HOST names. */
export function spawnContainer(
  options: ContainerOptions,
): ChildProcessByStdio<null, Readable, Readable> {
  const name = `moorline-${randomUUID()}`;
  giveAway(options.folder);
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
      ["--volume", `${tmpdir()}:${tmpdir()}`],
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
