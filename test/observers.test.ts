import { beforeEach, expect, it } from "vitest";
import { Metrics } from "../src/admin/metrics.ts";
import { createLogger } from "../src/log.ts";
import { createObservers } from "../src/observers.ts";
import { poolOf } from "./support/pool-snapshots.ts";

let observers: ReturnType<typeof createObservers>;
let lines: Readonly<Record<string, unknown>>[];

beforeEach(() => {
  lines = [];
  const sink = {
    write(line: string) {
      const { time: _, ...fields } = JSON.parse(line) as Readonly<Record<string, unknown>>;
      lines.push(fields);
    },
  };
  observers = createObservers({
    log: createLogger({ level: "info", sessionIds: "hash" }, sink),
    metrics: new Metrics({
      version: "1",
      pools: ["default"],
      skippableSources: [],
      bufferedBytesLimit: 1,
    }),
    pool: () => undefined,
  });
});

it("an endpoint whose checks fail is one warning with pool, endpoint, address and reason", () => {
  const [endpoint] = poolOf({ a: {} }).endpoints;
  if (endpoint === undefined) throw new Error("the pool has an endpoint");
  observers.pools(() => undefined).checksFailed("default", endpoint, "404 from GET /healthz");
  expect(lines).toEqual([
    {
      level: "warn",
      pool: "default",
      endpoint: "a",
      address: "10.0.0.1:8000",
      reason: "404 from GET /healthz",
      msg: "health checks fail",
    },
  ]);
});

it("an EDS file that cannot be written is one line without a stack, and one when it is written again", () => {
  const path = "/run/eds.json";
  const refused = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
  const failure = {
    level: "error",
    path,
    code: "EACCES",
    reason: "EACCES: permission denied",
    msg: "EDS file cannot be written; it is tried again",
  };
  observers.eds.failed(path, refused);
  observers.eds.failed(path, refused);
  expect(lines.splice(0)).toEqual([failure]);
  observers.eds.written(path);
  observers.eds.written(path);
  expect(lines.splice(0)).toEqual([{ level: "info", path, msg: "EDS file is written again" }]);
  observers.eds.failed(path, refused);
  expect(lines).toEqual([failure]);
});
