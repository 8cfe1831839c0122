/**
 * One simulated engine as a process of its own: `node demo/simulated-engine/main.ts --name a --port 8001`. Prints its port once it
 * listens. Times are in microseconds per token, the cache in blocks.
 */
import { parseArgs } from "node:util";
import { defaultSpeed } from "./engine.ts";
import { openEngineServer } from "./server.ts";

const { values } = parseArgs({
  options: {
    name: { type: "string", default: "engine" },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "0" },
    "block-tokens": { type: "string", default: String(defaultSpeed.blockTokens) },
    "cache-blocks": { type: "string", default: String(defaultSpeed.cacheBlocks) },
    "prefill-us": { type: "string", default: String(defaultSpeed.prefillUsPerToken) },
    "decode-us": { type: "string", default: String(defaultSpeed.decodeUsPerToken) },
    "queue-limit": { type: "string", default: String(defaultSpeed.queueLimit) },
    "body-limit": { type: "string", default: String(32 * 1024 * 1024) },
  },
});

const server = await openEngineServer({
  name: values.name,
  host: values.host,
  port: parseCount("port", 0),
  bodyLimitBytes: parseCount("body-limit", 1),
  speed: {
    blockTokens: parseCount("block-tokens", 1),
    cacheBlocks: parseCount("cache-blocks", 0),
    prefillUsPerToken: parseCount("prefill-us", 0),
    decodeUsPerToken: parseCount("decode-us", 0),
    queueLimit: parseCount("queue-limit", 1),
  },
});
console.log(`listening on ${server.port}`);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => void server.close());
}

function parseCount(name: keyof typeof values, least: number): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least) return value;
  throw new Error(`--${name} ${values[name]} must be an integer of at least ${least}`);
}
