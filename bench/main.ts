/**
 * Benchmarks: `node bench/main.ts SUITE [--quick]`. A suite reports its progress on standard error and its result as one JSON
 * line on standard output. `--quick` shows in seconds that everything runs; its figures mean little.
 */
import { LlamaUnavailable } from "../demo/llama/fetch.ts";
import { EnvoyUnavailable } from "../envoy/fetch.ts";
import { runBodies } from "./bodies/suite.ts";
import { runKv } from "./kv/suite.ts";
import { runLlama } from "./llama/suite.ts";
import { runRouting } from "./routing/suite.ts";
import { runTurns } from "./turns/suite.ts";

const suites = {
  routing: runRouting,
  kv: runKv,
  turns: runTurns,
  bodies: runBodies,
  llama: runLlama,
} as const;

const [name, ...options] = process.argv.slice(2);
const suite = Object.entries(suites).find(([known]) => known === name)?.[1];
if (suite === undefined || options.some((option) => option !== "--quick")) {
  console.error(`usage: bench ${Object.keys(suites).join("|")} [--quick]`);
  process.exitCode = 2;
} else {
  try {
    const result = await suite({ isQuick: options.includes("--quick") });
    console.log(JSON.stringify(result));
  } catch (reason) {
    if (!(reason instanceof EnvoyUnavailable || reason instanceof LlamaUnavailable)) throw reason;
    console.error(reason.message);
    process.exitCode = 1;
  }
}
