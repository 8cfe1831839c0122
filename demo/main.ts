/**
 * `npm run demo`: real conversations through a real Envoy, without and with Moorline; see routing.ts. `npm run demo -- kv`: what the
 * session KV service keeps, and proves of it; see kv/demo.ts. `--keep` leaves everything running afterwards, to try things out.
 * A signal at any time closes what was started.
 */
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { EnvoyUnavailable } from "../envoy/fetch.ts";
import { untilStopped } from "../src/stop-signal.ts";
import { runKvDemo } from "./kv/demo.ts";
import { ExpectationFailed } from "./kv/narration.ts";
import { runRoutingDemo } from "./routing.ts";
import type { Stage } from "./stage.ts";

const demos: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  routing: runRoutingDemo,
  kv: runKvDemo,
};
const closers: (() => Promise<void>)[] = [];
const stopping = new AbortController();

const { values: options, positionals } = parseArgs({
  options: { keep: { type: "boolean", default: false } },
  allowPositionals: true,
});
const [name = "routing", ...others] = positionals;
const run = Object.entries(demos).find(([known]) => known === name)?.[1];
if (run === undefined || others.length > 0) {
  console.error(`usage: demo [${Object.keys(demos).join("|")}] [--keep]`);
  process.exit(2);
}

// A second signal, later, ends at once; the children die with this process either way.
const stopped = untilStopped(["SIGINT", "SIGTERM", "SIGHUP"]).then((signal) => {
  stopping.abort();
  console.log("\nStopping."); // below the progress, or what the terminal shows of a Ctrl-C
  return 128 + constants.signals[signal];
});
const stage: Stage = {
  keep: options.keep,
  signal: stopping.signal,
  onStart: (part) => void closers.push(async () => part.close()),
};

let status = 1;
try {
  status = await Promise.race([run(stage).then(() => 0), stopped]);
} catch (reason) {
  if (!(reason instanceof EnvoyUnavailable || reason instanceof ExpectationFailed)) throw reason;
  console.error(reason.message);
} finally {
  await closeAll();
}
process.exit(status); // what was stopped in mid-run may still wait for something

/** In reverse order of start, each once. */
async function closeAll(): Promise<void> {
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
}
