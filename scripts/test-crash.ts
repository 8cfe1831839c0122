/** The crash tests as the whole check has them: 30 rounds, or CRASH_ROUNDS of them, with their totals beside those of other suites. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";

const repository = resolve(import.meta.dirname, "..");
const vitest = resolve(repository, "node_modules/vitest/vitest.mjs");

const child = spawn(process.execPath, [vitest, "run", "--project=crash"], {
  cwd: repository,
  stdio: "inherit",
  env: { CRASH_ROUNDS: "30", ...process.env, TEST_RESULTS: "crash" },
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
const [code] = (await once(child, "exit")) as [number | null];
process.exitCode = code ?? 1;
