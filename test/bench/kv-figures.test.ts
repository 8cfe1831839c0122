import { expect, it } from "vitest";
import { medianOf, percentileOf } from "../../bench/figures.ts";
import { getTable, summarise } from "../../bench/kv/report.ts";

const turns = {
  lookupP50Ms: 0.1,
  lookupP99Ms: 0.5,
  planP50Ms: 1,
  planP99Ms: 4,
  reserveP50Ms: 0.5,
  reserveP99Ms: 2,
  fileP50Ms: 0.2,
  fileP99Ms: 1,
  lookP50Ms: 0.1,
  lookP99Ms: 0.5,
  loopDelayP50Ms: 0.1,
  loopDelayP99Ms: 3,
  catalogBytesPerSegment: 1670.4,
  rssMb: 300.6,
  sweptPerSecond: 10_000,
  unlinkedPerSecond: 1_000,
  failures: 0,
};

it("the ratio to a peer is the median of the ratios within each round", () => {
  const gets = [
    { ours: 1e9, nginx: 4e9 },
    { ours: 3e9, nginx: 3e9 },
    { ours: 2e9, nginx: 4e9 },
  ];
  const puts = [{ ours: 3e8, dd: 6e8, discarding: 1e9 }];
  expect(summarise({ gets, puts, turns })).toMatchObject({
    get_gbps: 2,
    get_ratio_nginx: 0.5,
    put_ratio_dd: 0.5,
    catalog_bytes_per_segment: 1670,
    rss_mb: 301,
  });
});

it("a durable put is compared with the slower of the two that it cannot beat", () => {
  const puts = [{ ours: 3e8, dd: 3e9, discarding: 1e9 }];
  const gets = [{ ours: 1e9, nginx: undefined }];
  expect(summarise({ gets, puts, turns }).put_ratio_dd).toBe(0.3);
});

it("without nginx there is no ratio to it", () => {
  const gets = [{ ours: 1e9, nginx: undefined }];
  const puts = [{ ours: 1, dd: 1, discarding: 1 }];
  expect(summarise({ gets, puts, turns }).get_ratio_nginx).toBeNull();
  expect(getTable(gets)).toBe("ours 1.000 GB/s  nginx - GB/s");
});

it("a percentile is one of the values, and at least as large as that share of them", () => {
  const values = Array.from({ length: 200 }, (_, at) => 200 - at);
  expect(percentileOf(values, 0.99)).toBe(198);
  expect(percentileOf([7], 0.99)).toBe(7);
  expect(medianOf([4, 1, 3, 2])).toBe(2);
});
