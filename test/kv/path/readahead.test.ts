/** Requests whose KV lies far: what they are held for, and how long. */
import { afterEach, expect, it } from "vitest";

import { Predictor } from "../../../src/kv/prediction/predictor.ts";
import type { Prediction, TurnShape } from "../../../src/kv/prediction/prediction.ts";
import type { BenchReadaheadLimits } from "../../support/bench-readahead.ts";
import type { PathPoolOptions } from "../../../src/kv/path/path-pool.ts";
import type { TurnDesk } from "../../../src/kv/turns/turn-desk.ts";
import { bodyOf, PathBench } from "../../support/path-bench.ts";
import { session } from "../../support/turn-bench.ts";
import { until } from "../../support/until.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";

const NEAR = { id: "near", labels: {}, engines: true, tier: "memory" } as const;
const FAR = { id: "far", labels: {}, engines: true, tier: "remote" } as const;

const benches = new Benches(CATALOGS[0]);
afterEach(async () => expect(await benches.close()).toEqual([]));

/** Knows before the first turn what each token takes. */
class KnownPredictor extends Predictor {
  readonly #perTokenMs: number;

  constructor(perTokenMs: number) {
    super();
    this.#perTokenMs = perTokenMs;
  }

  override predict({ promptTokens, storedTokens }: TurnShape): Prediction {
    const prefillMs = (promptTokens - storedTokens) * this.#perTokenMs;
    const times = { loadMs: 0, prefillMs, ttftMs: prefillMs, totalMs: undefined };
    return { cachedTokens: storedTokens, outputTokens: undefined, times };
  }
}

/** What `a` has is stored where no engine reaches it now. */
async function open(
  perTokenMs: number,
  readahead: Partial<BenchReadaheadLimits> = {},
): Promise<PathBench> {
  const bench = await benches.open({ sites: [FAR, NEAR], readahead });
  bench.sites = [FAR];
  bench.restart();
  await bench.create("a");
  await bench.turn("a", "one two ", "three ");
  bench.sites = [{ ...FAR, engines: false }, NEAR];
  bench.restart();
  return new PathBench(bench, { predictor: new KnownPredictor(perTokenMs) });
}

it("holds a request while loading is predicted to be sooner", async () => {
  const path = await open(100);
  const begun = await path.begin("one two three four ");
  expect(begun.status).toBe("reused=14");
  const stored = bodyOf(begun).session_params?.stored_kv_cache;
  expect(stored).toMatchObject([{ kv_uri: expect.stringMatching(/^file:\/\/\/near\//) }]);
  expect(path.bench.seen).toContain("held near 0");
});

it("does not hold it where computing is predicted to be sooner", async () => {
  const path = await open(1, { bytesPerSecond: 1_000 });
  const begun = await path.begin("one two three four ");
  expect(begun.status).toBe("reused=0");
  expect(path.bench.seen).toContain("held opened_early 0");
});

it("holds it for six tenths of what Envoy waits at most", async () => {
  const bench = await benches.open();
  const holds: (number | undefined)[] = [];
  const plan: TurnDesk["plan"] = (request) => {
    holds.push(request.hold && request.hold.untilMs - bench.clock.now());
    return bench.desk.plan(request);
  };
  const { desk } = bench;
  const turns: PathPoolOptions["turns"] = {
    plan,
    survey: (request) => desk.survey(request),
    commit: (request) => desk.commit(request),
    abort: (turn, reason) => desk.abort(turn, reason),
    end: (key) => desk.end(key),
  };
  const path = new PathBench(bench, { turns, holdMs: 5_000 });
  await path.begin("one ");
  expect(holds).toEqual([3_000, 3_000]);
});

it("reserves nothing for a client that left while it was held", async () => {
  const path = await open(1_000, { bytesPerSecond: 1_000 });
  const client = new AbortController();
  const beginning = path.begin("one two three four ", { signal: client.signal });
  await until(() => path.bench.clock.pendingTimers >= 3);
  client.abort();
  expect((await beginning).status).toBe("client_gone");
  await until(() => path.bench.seen.includes("brought remote memory cancelled"));
  expect((await path.bench.catalog.locationUsage("near")).bookedBytes).toBe(0);
});

it("brings what a header names near, and holds nobody for it", async () => {
  const path = await open(100);
  const next = { session: session("b"), prefetch: session("a") };
  expect((await path.begin("another ", next)).status).toBe("reused=0");
  await until(() => path.bench.seen.includes("brought remote memory copied"));
  expect(path.bench.seen.filter((line) => line.startsWith("held"))).toEqual([]);
});

it("goes on where what a header names cannot be brought", async () => {
  const fault = new Error("no readahead");
  const prefetcher = { prefetch: () => Promise.reject(fault) };
  const path = new PathBench(await benches.open(), { prefetcher });
  expect((await path.begin("one ", { prefetch: session("b") })).status).toBe("reused=0");
  expect(path.failures).toEqual([fault]);
  expect(path.seen).toEqual(["prefetch failed", "injected 0/4"]);
});
