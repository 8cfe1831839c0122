/**
 * The health check of the container image: exit status 0 while the Moorline beside it is ready, else 1. It finds the listeners
 * as Moorline does, in the configuration that MOORLINE_CONFIG names. The external processor is asked; where none answers and there
 * is a `kv` section, the process may have that half alone, and the admin API knows.
 */
import { readFile } from "node:fs/promises";
import { systemClock } from "./clock.ts";
import { type Config, loadConfig } from "./config/config.ts";
import { formatAddress } from "./endpoints/endpoint.ts";
import { AppError } from "./errors.ts";
import { probeHealth } from "./extproc/health-probe.ts";

const TIMEOUT_MS = 2000;

async function probeConfigured(configPath: string): Promise<void> {
  const { extproc, kv, admin } = await loadConfig(configPath);
  try {
    await probeExtproc(extproc);
  } catch (reason) {
    if (kv === null) throw reason;
    await probeAdmin(admin);
  }
}

async function probeAdmin({ listen: { host, port } }: Config["admin"]): Promise<void> {
  const url = `http://${formatAddress(host, port)}/readyz`;
  const { status } = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (status !== 200) throw new AppError("internal", `the admin API answers ${status}`);
}

async function probeExtproc({ listen, tls }: Config["extproc"]): Promise<void> {
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
