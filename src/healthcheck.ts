/**
 * The health check of the container image: exit status 0 while the Moorline beside it is ready, else 1. It finds the listener
 * as Moorline does, in the configuration that MOORLINE_CONFIG names.
 */
import { readFile } from "node:fs/promises";
import { systemClock } from "./clock.ts";
import { loadConfig } from "./config/config.ts";
import { AppError } from "./errors.ts";
import { probeHealth } from "./extproc/health-probe.ts";

const TIMEOUT_MS = 2000;

async function probeConfigured(configPath: string): Promise<void> {
  const { listen, tls } = (await loadConfig(configPath)).extproc;
  const [address] = listen;
  if (address === undefined) throw new AppError("config_invalid", "extproc.listen is empty");
  await probeHealth({
    address,
    tls: tls && { cert: await readFile(tls.certFile), key: await readFile(tls.keyFile) },
    timeoutMs: TIMEOUT_MS,
    scheduler: systemClock,
  });
}

// oxlint-disable-next-line node/no-process-env -- as main.ts: the one variable that the program reads
const configPath = process.argv[2] ?? process.env["MOORLINE_CONFIG"];
try {
  if (configPath === undefined) throw new AppError("config_invalid", "MOORLINE_CONFIG is not set");
  await probeConfigured(configPath);
} catch (reason) {
  process.stderr.write(`${AppError.from(reason).message}\n`);
  process.exit(1);
}
process.exit(0);
