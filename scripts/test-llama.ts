/** The tests with real llama-servers as the whole check has them, with their totals beside those of other suites. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";

const repository = resolve(import.meta.dirname, "..");
const vitest = resolve(repository, "node_modules/vitest/vitest.mjs");

const child = spawn(process.execPath, [vitest, "run", "--project=llama"], {
  cwd: repository,
  stdio: "inherit",
  env: { ...process.env, TEST_RESULTS: "llama" },
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
const [code] = (await once(child, "exit")) as [number | null];
process.exitCode = code ?? 1;
