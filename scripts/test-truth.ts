/** `npm run test:truth` as a suite of the whole check: one test, which passes when no answer differs from a fresh engine's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { RESULTS_FOLDER, writeResults } from "./suite-results.ts";

const run = spawn(process.execPath, [resolve(import.meta.dirname, "..", "test/truth/main.ts")], {
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => run.kill(signal));
const [code] = (await once(run, "exit")) as [number | null];
const failures =
  code === 0 ? [] : [{ title: "npm run test:truth", message: `exit status ${code}` }];
writeResults(join(RESULTS_FOLDER, "truth.json"), {
  passed: 1 - failures.length,
  total: 1,
  failures,
});
process.exitCode = code ?? 1;
