/**
 * One computing engine as a process of its own: `node demo/engine/main.ts --name a --port 8001 --root /tmp/kv`. Prints its port once
 * it listens. Stored KV under `file://` is in the root: `--root`, or else the variable that SGLang reads.
 */
import { parseArgs } from "node:util";
import { parseBehaviour } from "./behaviour.ts";
import { Model } from "./model/model.ts";
import { SHAPES } from "./model/shape.ts";
import { modelName } from "./profile.ts";
import { openEngineServer } from "./server.ts";
import { DEFAULT_LIMITS } from "./serving/engine.ts";
import { EngineTokenizer } from "./tokenizer/engine-tokenizer.ts";

const { values } = parseArgs({
  options: {
    name: { type: "string", default: "engine" },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "0" },
    size: { type: "string", default: "tiny" },
    "model-name": { type: "string" },
    "weight-version": { type: "string", default: "default" },
    root: {
      type: "string",
      default: process.env["SGLANG_HICACHE_FILE_BACKEND_STORAGE_DIR"] ?? "/tmp/hicache",
    },
    "page-size": { type: "string", default: String(DEFAULT_LIMITS.pageSize) },
    "load-threshold": { type: "string", default: String(DEFAULT_LIMITS.loadThreshold) },
    "cache-tokens": { type: "string", default: String(DEFAULT_LIMITS.cacheTokens) },
    stateless: { type: "boolean", default: false },
    "without-hicache": { type: "boolean", default: false },
    "context-tokens": { type: "string", default: String(DEFAULT_LIMITS.contextTokens) },
    requests: { type: "string", default: String(DEFAULT_LIMITS.requests) },
    "body-limit": { type: "string", default: String(32 * 1024 * 1024) },
    "write-delay-ms": { type: "string", default: "0" },
    "stall-ms": { type: "string", default: "0" },
    /** The engine dies in its so many-th write, when so many eighths are written. */
    "die-write": { type: "string", default: "0" },
    "die-eighths": { type: "string", default: "0" },
    "prefill-us": { type: "string", default: "0" },
  },
});

const { size } = values;
if (size !== "tiny" && size !== "small") throw new Error(`--size ${size} must be tiny or small`);
const diesAtWrite = parseCount("die-write", 0);

const server = await openEngineServer({
  name: values.name,
  host: values.host,
  port: parseCount("port", 0),
  model: new Model(SHAPES[size]),
  tokenizer: new EngineTokenizer(),
  modelName: values["model-name"] ?? modelName(SHAPES[size]),
  weightVersion: values["weight-version"],
  root: values.root,
  hasHiCache: !values["without-hicache"],
  bodyLimitBytes: parseCount("body-limit", 1),
  limits: {
    pageSize: parseCount("page-size", 1),
    loadThreshold: parseCount("load-threshold", 0),
    cacheTokens: values.stateless ? 0 : parseCount("cache-tokens", 0),
    contextTokens: parseCount("context-tokens", 2),
    requests: parseCount("requests", 1),
  },
  behaviour: parseBehaviour({
    write_delay_ms: parseCount("write-delay-ms", 0),
    stall_ms: parseCount("stall-ms", 0),
    prefill_us: parseCount("prefill-us", 0),
    ...(diesAtWrite > 0 && { die: { write: diesAtWrite, eighths: parseCount("die-eighths", 0) } }),
  }),
});
console.log(`listening on ${server.port}`);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => void stop());
}

/** What was answered is stored; connections to a KV service are not waited for. */
async function stop(): Promise<void> {
  await server.close();
  await server.written();
  process.exit();
}

function parseCount(name: keyof typeof values, least: number): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least) return value;
  throw new Error(`--${name} ${values[name]} must be an integer of at least ${least}`);
}
