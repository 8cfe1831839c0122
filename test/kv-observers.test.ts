import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";

import { KvMetrics } from "../src/admin/kv-metrics.ts";
import type { Location, ObjectName } from "../src/kv/location.ts";
import { createKvObservers } from "../src/kv-observers.ts";
import { createLogger } from "../src/log.ts";

function open() {
  const lines: { readonly level: string; readonly msg: string }[] = [];
  const sink = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const log = createLogger({ level: "info", sessionIds: "hash" }, sink);
  const registry = new Registry();
  const metrics = new KvMetrics(registry);
  const observers = createKvObservers({
    log,
    metrics,
    sessionNamed: new Set(["flat"]),
  });
  const samples = async (name: string) => {
    const page = await registry.metrics();
    return page.split("\n").filter((line) => line.startsWith(`moorline_${name}`));
  };
  return { lines, observers, samples, registry, metrics };
}

it("says once for a round how many files the catalog does not know, and nothing of a round without any", () => {
  const { lines, observers } = open();
  const stock = { location: "disk", objects: 9, leftovers: 0, discarded: 0, foreign: 0 };
  for (let at = 0; at < 9; at++) observers.keeper.orphan("disk", `session-${at}` as ObjectName);
  observers.keeper.stockTaken({ ...stock, orphans: 9, orphanBytes: 90 });
  observers.keeper.stockTaken({ ...stock, orphans: 0, orphanBytes: 0 });
  const msg = "files that the catalog does not know";
  expect(lines).toMatchObject([{ level: "warn", msg, location: "disk", files: 9, bytes: 90 }]);
});

it("writes no line for each segment that an engine or an overload spoils", () => {
  const { lines, observers } = open();
  const verified = { bytes: 1, passes: 1, durationMs: 1 };
  observers.verifier.verified({ ...verified, result: "engine_unknown" });
  observers.verifier.rechecked({ bytes: 1, durationMs: 1, result: "queue_full" });
  expect(lines).toEqual([]);
  observers.verifier.rechecked({ bytes: 1, durationMs: 1, result: "crc" });
  expect(lines).toMatchObject([{ level: "warn", msg: "a listed segment cannot be used" }]);
});

it("shows no bytes that the catalog does not know at each location, until stock was taken there", async () => {
  const { observers } = open();
  const catalog = { totals: () => ({ locations: [], segments: [] }) };
  const locations = new Map([
    ["disk", {} as Location],
    ["memory", {} as Location],
  ]);
  const gauges = observers.gauges({
    catalog,
    locations,
    verifying: () => 0,
    engines: () => [],
    readahead: () => ({ copies: 0, bytes: 0 }),
    slots: () => new Map(),
  });
  const stock = { objects: 9, leftovers: 0, discarded: 0, foreign: 0 };
  observers.keeper.stockTaken({ location: "disk", ...stock, orphans: 9, orphanBytes: 90 });
  expect(await gauges.kv_orphan_bytes()).toEqual([
    [90, "disk"],
    [0, "memory"],
  ]);
});

it("asks the catalog for its totals once for each scrape", async () => {
  const { observers, metrics, registry } = open();
  let segments = 0;
  const totals = () => {
    const count = { location: "disk", retentionClass: "c", state: "durable", bytes: 7 } as const;
    return { locations: [], segments: [{ ...count, segments: ++segments }] };
  };
  metrics.watch(
    observers.gauges({
      catalog: { totals },
      locations: new Map(),
      verifying: () => 0,
      engines: () => [],
      readahead: () => ({ copies: 0, bytes: 0 }),
      slots: () => new Map(),
    }),
  );
  for (const scrape of [1, 2]) {
    expect(await registry.metrics()).toMatch(
      new RegExp(`^moorline_kv_segments{.*} ${scrape}$`, "m"),
    );
    expect(segments).toBe(scrape);
  }
});

it("counts what was evicted by its cause, each from 0", async () => {
  const { observers, samples } = open();
  const evicted = { location: "disk", expiredSessions: 0, isShort: false, isFull: false };
  const counts = { files: 1, segments: 2, copies: 4, bytes: 30 };
  observers.keeper.evicted({ ...evicted, ...counts, cause: "full" });
  expect(await samples("kv_evicted_total")).toEqual([
    'moorline_kv_evicted_total{what="file",cause="full"} 1',
    'moorline_kv_evicted_total{what="file",cause="headroom"} 0',
    'moorline_kv_evicted_total{what="segment",cause="full"} 2',
    'moorline_kv_evicted_total{what="segment",cause="headroom"} 0',
    'moorline_kv_evicted_total{what="copy",cause="full"} 4',
    'moorline_kv_evicted_total{what="copy",cause="headroom"} 0',
    'moorline_kv_evicted_total{what="byte",cause="full"} 30',
    'moorline_kv_evicted_total{what="byte",cause="headroom"} 0',
  ]);
});

it("writes the name of a file that may be a session's id as such ids are written", () => {
  const { lines, observers } = open();
  const unlinked = (location: string, name: string) =>
    observers.keeper.unlinked({ file: { location, name: name as ObjectName }, result: "io" });
  unlinked("flat", "abc");
  unlinked("sharded", "abc");
  expect(lines).toMatchObject([
    { msg: "a file was not removed", location: "flat", name: "ba7816bf8f01cfea", reason: "io" },
    { location: "sharded", name: "abc" },
  ]);
});

it("counts requests by operation and status, and times them by operation", async () => {
  const { observers, samples } = open();
  observers.requests({ operation: "planTurn", status: 200, durationMs: 500 });
  observers.requests({ operation: "planTurn", status: 404, durationMs: 1_500 });
  expect(await samples("kv_requests_total")).toEqual([
    'moorline_kv_requests_total{operation="planTurn",status="200"} 1',
    'moorline_kv_requests_total{operation="planTurn",status="404"} 1',
  ]);
  expect(await samples("kv_request_duration_seconds_sum")).toEqual([
    'moorline_kv_request_duration_seconds_sum{operation="planTurn"} 2',
  ]);
});

describe("engines", () => {
  const engine = { pool: "p", address: "10.0.0.1:1" };

  it("that are lost are told with the reason, and those that are back as well", () => {
    const { lines, observers } = open();
    const [from, to] = ["ready", "engine_unknown"] as const;
    observers.engines.stateChanged({ ...engine, from, to, why: "ECONNRESET" });
    observers.engines.stateChanged({ ...engine, from: to, to: from, why: undefined });
    observers.engines.unanswered({ ...engine, why: "ECONNREFUSED" });
    expect(lines).toMatchObject([
      { level: "warn", ...engine, was: "ready", reason: "ECONNRESET" },
      { level: "info", ...engine },
      { level: "warn", ...engine, reason: "ECONNREFUSED" },
    ]);
  });

  it("that cannot be used until somebody does something are errors, with what differs", () => {
    const { lines, observers } = open();
    const why = "page_size 64, not 16";
    const from = "engine_unknown";
    observers.engines.stateChanged({ ...engine, from, to: "engine_mismatch", why });
    observers.engines.stateChanged({
      ...engine,
      from: "ready",
      to: "engine_miscounted",
      why: undefined,
    });
    const to = "tokenizer_mismatch";
    const first = "probe 0 (ascii) at token 1: 9, not 8";
    observers.engines.stateChanged({ ...engine, from, to, why: first });
    const misplaces = { from, to: "engine_misplaces", why: undefined } as const;
    observers.engines.stateChanged({ ...engine, ...misplaces });
    expect(lines).toMatchObject([
      { level: "error", ...engine, differs: why },
      { level: "error", ...engine },
      { level: "error", ...engine, differs: first },
      { level: "error", ...engine, msg: expect.stringContaining("--enable-hierarchical-cache") },
    ]);
  });

  it("have their tests counted, and say which were not whole", async () => {
    const { lines, observers, samples } = open();
    const why = "404 from POST /tokenize";
    observers.engines.tokenizerTested({ ...engine, result: "passed", why: undefined });
    observers.engines.tokenizerTested({ ...engine, result: "mismatch", why: "other tokens" });
    observers.engines.tokenizerTested({ ...engine, result: "untested", why });
    expect(lines).toMatchObject([{ level: "warn", ...engine, reason: why }]);
    const series = (result: string) =>
      `moorline_kv_tokenizer_tests_total{pool="p",result="${result}"} 1`;
    expect(await samples("kv_tokenizer_tests_total")).toEqual(
      ["passed", "mismatch", "untested"].map(series),
    );
  });

  it("are counted at each scrape, and so are the sessions that they were told are over", async () => {
    const { observers, metrics, samples } = open();
    const catalog = { totals: () => ({ locations: [], segments: [] }) };
    const engines = () => [[3, "p", "ready"] as const];
    const readahead = () => ({ copies: 2, bytes: 70 });
    const owners = { catalog, locations: new Map<string, Location>(), verifying: () => 0 };
    const slots = () => new Map([["p", { residents: 5, waiting: 1 }]]);
    metrics.watch(observers.gauges({ ...owners, engines, readahead, slots }));
    observers.engines.sessionClosed("failed");
    expect(await samples("kv_engines")).toEqual(['moorline_kv_engines{pool="p",state="ready"} 3']);
    expect(await samples("kv_slot_")).toEqual([
      'moorline_kv_slot_residents{pool="p"} 5',
      'moorline_kv_slot_waiting{pool="p"} 1',
    ]);
    expect(await samples("kv_session_closes_total")).toEqual([
      'moorline_kv_session_closes_total{result="closed"} 0',
      'moorline_kv_session_closes_total{result="failed"} 1',
      'moorline_kv_session_closes_total{result="queue_full"} 0',
    ]);
  });
});

it("counts turns in the request path by pool, and logs each of their failures with its cause", async () => {
  const { lines, observers, samples } = open();
  const { path } = observers;
  const tokens = { promptTokens: 14, reusedTokens: 7 };
  path.begun({ pool: "p", plan: "injected", ...tokens, heldMs: 20 });
  path.begun({ pool: "p", plan: "batch", promptTokens: 0, reusedTokens: 0, heldMs: 1 });
  path.spent({ pool: "p", part: "tokens", elapsedMs: 3 });
  observers.changes({ rule: "reserve", durationMs: 2 });
  path.ended({ pool: "p", end: "cut_short" });
  path.failed("commit", new Error("a cause"));
  expect(await samples("kv_turns_total")).toEqual([
    'moorline_kv_turns_total{pool="p",plan="injected"} 1',
    'moorline_kv_turns_total{pool="p",plan="batch"} 1',
  ]);
  expect(await samples("kv_turn_prompt")).toEqual([
    'moorline_kv_turn_prompt_tokens_total{pool="p"} 14',
  ]);
  expect(await samples("kv_turn_reused")).toEqual([
    'moorline_kv_turn_reused_tokens_total{pool="p"} 7',
  ]);
  expect(await samples("kv_turn_held_seconds_sum")).toEqual([
    'moorline_kv_turn_held_seconds_sum{pool="p"} 0.021',
  ]);
  expect(await samples("kv_turn_part_seconds_sum")).toEqual([
    'moorline_kv_turn_part_seconds_sum{pool="p",part="tokens"} 0.003',
  ]);
  expect(await samples("kv_catalog_change_duration_seconds_sum")).toEqual([
    'moorline_kv_catalog_change_duration_seconds_sum{rule="reserve"} 0.002',
  ]);
  expect(await samples("kv_turn_ends_total")).toEqual([
    'moorline_kv_turn_ends_total{pool="p",end="cut_short"} 1',
  ]);
  expect(await samples("kv_turn_failures_total")).toContain(
    'moorline_kv_turn_failures_total{call="commit"} 1',
  );
  expect(lines).toMatchObject([{ level: "error", call: "commit", error: { message: "a cause" } }]);
});

it("counts the tokenizer threads that are lost, and says why", async () => {
  const { lines, observers, samples } = open();
  observers.tokenWorkerLost("p", new Error("out of memory"));
  expect(await samples("kv_token_workers_lost_total")).toEqual([
    'moorline_kv_token_workers_lost_total{pool="p"} 1',
  ]);
  expect(lines).toMatchObject([{ level: "warn", pool: "p", error: { message: "out of memory" } }]);
});

it("shows predicted times beside actual ones, and how far off each figure was", async () => {
  const { observers, samples } = open();
  const { path } = observers;
  const errors = {
    cachedTokens: 0,
    outputTokens: 0.5,
    loadMs: undefined,
    prefillMs: undefined,
    ttftMs: undefined,
    totalMs: undefined,
  };
  const shape = { promptTokens: 14, storedTokens: 7, maxNewTokens: 4 };
  const turn = { ...shape, cachedTokens: 7, outputTokens: 2, ttftMs: 250, totalMs: 500 };
  const prediction = { cachedTokens: 7, outputTokens: 3, times: undefined };
  const of = { pool: "p", session: { tenant: "", id: "s" } };
  path.measured({ ...of, turn, prediction, errors });
  const times = { loadMs: 10, prefillMs: 190, ttftMs: 200, totalMs: 400 };
  const measured = {
    ...of,
    turn: { ...turn, ttftMs: 50 },
    prediction: { ...prediction, times },
  };
  path.measured({ ...measured, errors: { ...errors, ttftMs: 3 } });
  path.measured({ ...measured, turn: { ...turn, ttftMs: undefined }, errors });
  expect(await samples("kv_turn_ttft_seconds_sum")).toEqual([
    'moorline_kv_turn_ttft_seconds_sum{pool="p"} 0.3',
  ]);
  expect(await samples("kv_turn_predicted_ttft_seconds_sum")).toEqual([
    'moorline_kv_turn_predicted_ttft_seconds_sum{pool="p"} 0.2',
  ]);
  expect(await samples("kv_turn_prediction_error_ratio_sum")).toEqual([
    'moorline_kv_turn_prediction_error_ratio_sum{pool="p",figure="cached_tokens"} 0',
    'moorline_kv_turn_prediction_error_ratio_sum{pool="p",figure="output_tokens"} 1.5',
    'moorline_kv_turn_prediction_error_ratio_sum{pool="p",figure="ttft_ms"} 3',
  ]);
});
