#!/usr/bin/env node
import { inspect } from "node:util";
import { parseCommand, USAGE, type Command } from "./command-line.ts";
import type { App } from "./compose.ts";
import { checkConfig, loadUsableConfig, rolesOf } from "./config/check.ts";
import { AppError } from "./errors.ts";
import { untilStopped } from "./stop-signal.ts";
import { packageVersion } from "./version.ts";

async function run(args: readonly string[]): Promise<number> {
  // oxlint-disable-next-line node/no-process-env -- the one variable that the program reads, and where it is read
  const command = parseCommand(args, process.env["MOORLINE_CONFIG"]);
  switch (command.kind) {
    case "serve":
      await serve(command);
      return 0;
    case "check-config": {
      const { summary, warnings } = await checkConfig(command.configPath, command.roles);
      for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
      process.stdout.write(`${summary}\n`);
      return 0;
    }
    case "kv check":
      return (await checkStored(command)) ? 0 : 1;
    case "version":
      process.stdout.write(`${packageVersion()}\n`);
      return 0;
    case "help":
      process.stdout.write(USAGE);
      return 0;
    case "wrong":
      process.stderr.write(`${command.problem}\n\n${USAGE}`);
      return 2;
  }
}

async function checkStored({
  configPath,
  ...options
}: Extract<Command, { kind: "kv check" }>): Promise<boolean> {
  const { kv } = await loadUsableConfig(configPath, ["kv"]);
  if (kv === null)
    throw new AppError("internal", "a configuration without kv was taken for one with it");
  const { checkKv } = await import("./kv-check.ts");
  return checkKv(kv, { ...options, print: (line) => process.stdout.write(`${line}\n`) });
}

async function serve({
  configPath,
  roles,
}: Extract<Command, { kind: "serve" | "check-config" }>): Promise<void> {
  let app: App | undefined;
  process.on("SIGHUP", () => void app?.reload());
  const stopped = untilStopped(["SIGTERM", "SIGINT"]); // a second one, later, ends the process at once
  const config = await loadUsableConfig(configPath, roles);
  const { compose } = await import("./compose.ts"); // not needed, and not loaded, by the other commands
  app = await compose(config, { configPath, roles: rolesOf(config, roles) });
  await stopped;
  await app.close();
}

// Set, and not `process.exit`, which would race with log lines that are still being written.
process.exitCode = await run(process.argv.slice(2)).catch((reason: unknown) => {
  const { code, message } = AppError.from(reason);
  process.stderr.write(`${code === "internal" ? inspect(reason) : message}\n`);
  return code === "config_invalid" || code === "catalog_invalid" ? 2 : 1;
});
