/**
 * `npm run test:truth` as a suite of the whole check: one test, which passes when no answer differs from a fresh engine's. With `llama`, 60
 * turns of llama-servers.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { RESULTS_FOLDER, writeResults } from "./suite-results.ts";

const isLlama = process.argv[2] === "llama";
const suite = isLlama ? "truth-llama" : "truth";
const args = isLlama ? ["llama", "--turns=60"] : [];
const main = resolve(import.meta.dirname, "..", "test/truth/main.ts");
const run = spawn(process.execPath, [main, ...args], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => run.kill(signal));
const [code] = (await once(run, "exit")) as [number | null];
const title = ["npm run test:truth --", ...args].join(" ");
const failures = code === 0 ? [] : [{ title, message: `exit status ${code}` }];
writeResults(join(RESULTS_FOLDER, `${suite}.json`), {
  passed: 1 - failures.length,
  total: 1,
  failures,
});
process.exitCode = code ?? 1;
