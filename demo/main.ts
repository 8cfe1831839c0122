/**
 * `npm run demo` shows both halves through a real Envoy, one after the other: `routing`, real conversations without and with Moorline,
 * see routing.ts, and `turns`, what goes on without being computed again when an engine dies, see turns/demo.ts. `npm run demo -- kv`:
 * what the session KV service keeps, and proves of it; see kv/demo.ts. `npm run demo -- llama`: the second half with real llama-servers;
 * see llama/demo.ts. `--keep` leaves everything running afterwards, to try things out. A signal at any time closes what was started.
 */
import { once } from "node:events";
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { EnvoyUnavailable } from "../envoy/fetch.ts";
import { untilStopped } from "../src/stop-signal.ts";
import { runKvDemo } from "./kv/demo.ts";
import { ExpectationFailed } from "./kv/narration.ts";
import { runLlamaDemo } from "./llama/demo.ts";
import { LlamaUnavailable } from "./llama/fetch.ts";
import { runRoutingDemo } from "./routing.ts";
import type { Demo, Stage } from "./stage.ts";
import { runTurnsDemo } from "./turns/demo.ts";

const demos: ReadonlyMap<string, Demo> = new Map([
  ["routing", runRoutingDemo],
  ["turns", runTurnsDemo],
  ["kv", runKvDemo],
  ["llama", runLlamaDemo],
]);
/** Without a name. */
const bothHalves = [runRoutingDemo, runTurnsDemo];
const closers: (() => Promise<void>)[] = [];
const stopping = new AbortController();

const { values: options, positionals } = parseArgs({
  options: { keep: { type: "boolean", default: false } },
  allowPositionals: true,
});
const [name, ...others] = positionals;
const chosen =
  name === undefined ? bothHalves : [demos.get(name)].filter((demo) => demo !== undefined);
if (chosen.length === 0 || others.length > 0) {
  console.error(`usage: demo [${[...demos.keys()].join("|")}] [--keep]`);
  process.exit(2);
}

// A second signal, later, ends at once; the children die with this process either way.
const stopped = untilStopped(["SIGINT", "SIGTERM", "SIGHUP"]).then((signal) => {
  stopping.abort();
  console.log("\nStopping."); // below the progress, or what the terminal shows of a Ctrl-C
  return 128 + constants.signals[signal];
});
const stage: Stage = {
  signal: stopping.signal,
  onStart: (part) => void closers.push(async () => part.close()),
};

let status = 1;
try {
  status = await Promise.race([show(chosen).then(() => 0), stopped]);
} catch (reason) {
  const told = [EnvoyUnavailable, LlamaUnavailable, ExpectationFailed];
  if (!told.some((kind) => reason instanceof kind)) throw reason;
  console.error((reason as Error).message);
} finally {
  await closeAll();
}
process.exit(status); // what was stopped in mid-run may still wait for something

/** One after the other; what one has started stays for the next only if it is to be kept. */
async function show(chosen: readonly Demo[]): Promise<void> {
  const toTry: string[] = [];
  for (const [index, demo] of chosen.entries()) {
    if (index > 0) console.log();
    toTry.push(await demo(stage));
    if (!options.keep) await closeAll();
  }
  if (stopping.signal.aborted) return;
  if (!options.keep) {
    const command = ["npm run demo --", ...positionals, "--keep"].join(" ");
    console.log(`\n\`${command}\` leaves it all running, with commands to try.`);
    return;
  }
  console.log(`\n${toTry.join("\n\n")}\n\nCtrl-C stops everything, and removes its files.`);
  await once(stopping.signal, "abort");
}

/** In reverse order of start, each once. */
async function closeAll(): Promise<void> {
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
}
