import { readFile } from "node:fs/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { METRIC_PREFIX, metricCatalog } from "../../src/admin/metric-catalog.ts";
import { kvMetricCatalog } from "../../src/admin/kv-metric-catalog.ts";
import { Metrics } from "../../src/admin/metrics.ts";
import { refusalStatuses } from "../../src/extproc/refusal.ts";
import { fakePool } from "./fake-ports.ts";

let metrics: Metrics;

beforeEach(() => {
  metrics = new Metrics({
    version: "1.2.3",
    pools: ["one", "two"],
    skippableSources: ["header session-id", "body prompt_cache_key"],
    bufferedBytesLimit: 1000,
  });
});

/** The samples of our own metrics whose line starts with `start`, without the prefix. */
async function samples(start = ""): Promise<string[]> {
  const { text } = await metrics.page();
  return text
    .split("\n")
    .filter((line) => line.startsWith(METRIC_PREFIX + start))
    .map((line) => line.slice(METRIC_PREFIX.length));
}

function watch(): void {
  metrics.watch({
    pools: () => [fakePool("one"), fakePool("two")],
    sessions: (pool) => (pool === "one" ? 11 : 22),
    bufferedBytes: () => 333,
  });
}

describe("counters", () => {
  it("count decisions by pool and kind, from 0", async () => {
    metrics.decided("bound", "one");
    metrics.decided("bound", "one");
    metrics.decided("refused", "two");
    const counted = await samples("decisions_total");
    expect(counted).toContain('decisions_total{pool="one",kind="bound"} 2');
    expect(counted).toContain('decisions_total{pool="two",kind="refused"} 1');
    expect(counted).toContain('decisions_total{pool="two",kind="spilled"} 0');
    expect(counted).toHaveLength(12);
  });

  it.each([
    [
      "reloads_total",
      [
        'reloads_total{what="config",result="ok"} 0',
        'reloads_total{what="config",result="failed"} 0',
        'reloads_total{what="endpoints",result="ok"} 0',
        'reloads_total{what="endpoints",result="failed"} 0',
      ],
    ],
    [
      "session_key_total",
      ["headers", "body", "minted"].map((source) => `session_key_total{source="${source}"} 0`),
    ],
    [
      "session_key_skipped_total",
      [
        'session_key_skipped_total{source="header session-id"} 0',
        'session_key_skipped_total{source="body prompt_cache_key"} 0',
      ],
    ],
    [
      "body_refused_total",
      ["body_too_large", "body_encoded", "body_invalid", "body_budget_full"].map(
        (reason) => `body_refused_total{reason="${reason}"} 0`,
      ),
    ],
    [
      "refused_total",
      [...Object.keys(refusalStatuses), "exchange_limit"].map(
        (reason) => `refused_total{reason="${reason}"} 0`,
      ),
    ],
  ])("%s has every known value from the start, at 0", async (name, expected) => {
    expect(await samples(name)).toEqual(expected);
  });

  it("know no pool but the configured ones", async () => {
    metrics.decided("bound", "forged");
    expect((await samples("decisions_total")).filter((line) => !line.endsWith(" 0"))).toEqual([]);
  });

  it("each method counts one in its own metric", async () => {
    metrics.refused("no_ready_endpoint");
    metrics.exchangeFailed();
    metrics.sessionKey("minted");
    metrics.sessionKeySkipped("cookie sid");
    metrics.bodyRefused("body_too_large");
    metrics.servedElsewhere();
    metrics.evicted("expired");
    metrics.moved("endpoint_down");
    metrics.storeFailed();
    metrics.healthChanged({ pool: "one", to: "down", cause: "active" });
    metrics.reloaded("endpoints", "failed");
    metrics.edsWritten("ok");
    metrics.tlsReloaded("failed");
    expect((await samples()).filter((line) => line.endsWith(" 1"))).toEqual([
      'refused_total{reason="no_ready_endpoint"} 1',
      "exchange_failures_total 1",
      'session_key_total{source="minted"} 1',
      'session_key_skipped_total{source="cookie sid"} 1',
      'body_refused_total{reason="body_too_large"} 1',
      'evictions_total{cause="expired"} 1',
      'moves_total{cause="endpoint_down"} 1',
      "served_elsewhere_total 1",
      "store_failures_total 1",
      'health_transitions_total{pool="one",to="down",cause="active"} 1',
      'reloads_total{what="endpoints",result="failed"} 1',
      'eds_writes_total{result="ok"} 1',
      'tls_reloads_total{result="failed"} 1',
      'build_info{version="1.2.3"} 1',
    ]);
  });

  it("do not grow from one scrape to the next", async () => {
    metrics.refused("no_endpoints");
    await metrics.page();
    expect(await samples("refused_total")).toContain('refused_total{reason="no_endpoints"} 1');
  });

  it("hold 128 values of a label and count all others together", async () => {
    for (let value = 0; value < 130; value++) metrics.refused(`reason-${value}`);
    const counted = await samples("refused_total");
    const known = Object.keys(refusalStatuses).length + 1;
    expect(counted).toHaveLength(129);
    expect(counted.at(-1)).toBe(`refused_total{reason="other"} ${known + 2}`);
  });
});

describe("exchanges", () => {
  it("are open between opening and closing, and counted for good", async () => {
    metrics.exchangeOpened();
    metrics.exchangeOpened();
    metrics.exchangeClosed();
    expect(await samples("exchanges_total")).toEqual(["exchanges_total 2"]);
    expect(await samples("open_exchanges")).toEqual(["open_exchanges 1"]);
  });
});

describe("gauges", () => {
  it("show what their owners say at the scrape", async () => {
    watch();
    expect(await samples("sessions")).toEqual([
      'sessions{pool="one"} 11',
      'sessions{pool="two"} 22',
    ]);
    expect(await samples("buffered_bytes")).toEqual([
      "buffered_bytes 333",
      "buffered_bytes_limit 1000",
    ]);
    expect(await samples("ring_generation")).toContain('ring_generation{pool="one"} 7');
    expect(await samples('endpoints{pool="one"')).toEqual([
      'endpoints{pool="one",state="ready"} 1',
      'endpoints{pool="one",state="draining"} 0',
      'endpoints{pool="one",state="down"} 1',
    ]);
  });
});

describe("the decision histogram", () => {
  it("puts a bound into its own bucket, and anything above into the next", async () => {
    metrics.observeDecision(0.01);
    metrics.observeDecision(0.011);
    metrics.observeDecision(250);
    metrics.observeDecision(251);
    const lines = await samples("decision_duration_seconds");
    expect(lines).toHaveLength(17);
    for (const line of [
      'decision_duration_seconds_bucket{le="0.00001"} 1',
      'decision_duration_seconds_bucket{le="0.000025"} 2',
      'decision_duration_seconds_bucket{le="0.1"} 2',
      'decision_duration_seconds_bucket{le="0.25"} 3',
      'decision_duration_seconds_bucket{le="+Inf"} 4',
      "decision_duration_seconds_count 4",
    ]) {
      expect(lines).toContain(line);
    }
    expect(lines.find((line) => line.includes("_sum"))).toMatch(/_sum 0\.50102/);
  });
});

describe("the reference", () => {
  /** `# TYPE name type` of the page, in its order. */
  async function exposedTypes() {
    const { text } = await metrics.page();
    return [...text.matchAll(/^# TYPE moorline_(\w+) (\w+)$/gm)].map(([, name, type]) => [
      name,
      type,
    ]);
  }

  it("every metric of the catalog is on the page, with its type, and no other of ours is", async () => {
    const catalog = Object.entries(metricCatalog).map(([name, { type }]) => [name, type]);
    expect(Object.fromEntries(await exposedTypes())).toEqual(Object.fromEntries(catalog));
  });

  it("docs/metrics.md lists every metric with its type and labels, and no other", async () => {
    const text = await readFile(new URL("../../docs/metrics.md", import.meta.url), "utf8");
    const documented = text
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) => {
        const [, name, type, labels] = line
          .split("|")
          .map((cell) => cell.replaceAll("`", "").trim());
        return { name, type, labels };
      });
    const expected = Object.entries({ ...metricCatalog, ...kvMetricCatalog }).map(
      ([name, { type, labels }]) => ({
        name: METRIC_PREFIX + name,
        type,
        labels: labels.join(", ") || "-",
      }),
    );
    expect(documented).toEqual(expected);
  });

  it("the page has the process metrics too", async () => {
    const { text, contentType } = await metrics.page();
    expect(text).toContain("\nprocess_resident_memory_bytes ");
    expect(contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
  });
});
