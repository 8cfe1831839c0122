import { expect, it } from "vitest";
import { type KvPlan, measureKv } from "../../bench/kv/suite.ts";

const TINY: KvPlan = {
  get: { rounds: 1, peer: "none", segments: 2, segmentBytes: 2 ** 20 },
  put: { rounds: 1, bodyBytes: 2 ** 20 },
  turns: { sessions: 50, durationMs: 300, plansPerSecond: 20 },
};

it("measures every figure of the KV suite", async () => {
  const told: string[] = [];
  const result = await measureKv(TINY, (text) => told.push(text));
  const { suite, get_ratio_nginx: ratio, ...figures } = result;

  expect(suite).toBe("kv");
  expect(ratio).toBeNull();
  expect(Object.keys(figures)).toHaveLength(8);
  for (const figure of Object.values(figures)) expect(figure).toBeGreaterThan(0);
  for (const part of ["reserve", "file", "look"]) {
    expect(told.join("\n")).toMatch(new RegExp(`^${part}P50Ms +\\d.*\n${part}P99Ms +\\d`, "m"));
  }
}, 60_000);
