/** Requests whose KV lies far: what they are held for, and how long. */
import { afterEach, describe, expect, it } from "vitest";

import { Predictor } from "../../../src/kv/prediction/predictor.ts";
import type { Prediction, TurnShape } from "../../../src/kv/prediction/prediction.ts";
import type { BenchReadaheadLimits } from "../../support/bench-readahead.ts";
import type { PathPoolOptions } from "../../../src/kv/path/path-pool.ts";
import type { TurnDesk } from "../../../src/kv/turns/turn-desk.ts";
import { bodyOf, ENGINE_A, PathBench } from "../../support/path-bench.ts";
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

/**
 * Each token that an engine computes takes 100 ms, and ten seconds after the turn before it had this share of what it may have kept. Undefined: none
 * may have kept anything.
 */
function taught(keptShare: number | undefined): Predictor {
  const predictor = new Predictor();
  for (let turn = 1; turn <= 20; turn++) {
    const [promptTokens, storedTokens] = [20 * turn, (turn * 7) % 20];
    const residentTokens = keptShare === undefined ? undefined : storedTokens + 2 * turn;
    const cachedTokens = storedTokens + 2 * turn * (keptShare ?? 0);
    const ttftMs = 5 + 100 * (promptTokens - cachedTokens);
    const shape = { promptTokens, storedTokens, residentTokens, idleMs: 10_000, maxNewTokens: 1 };
    const answered = { cachedTokens, outputTokens: 1, ttftMs, totalMs: ttftMs };
    predictor.observe({ ...shape, ...answered }, predictor.predict(shape));
  }
  return predictor;
}

describe("a request for an engine that may have the whole conversation itself, while what is stored of it lies far", () => {
  const sites = [
    { ...FAR, labels: { node: "1" } },
    { ...NEAR, labels: { node: "2" } },
  ];
  const then = { ...ENGINE_A, labels: { node: "1" } };
  const now = { ...ENGINE_A, labels: { node: "2" } };

  /** The second turn of `a`, so long after the first. */
  async function second(predictor: Predictor, idleMs: number, instance?: string) {
    const path = new PathBench(await benches.open({ sites }), { predictor });
    await path.turn("one two ", "three ", { endpoint: then });
    await path.bench.clock.advance(idleMs);
    if (instance !== undefined) path.engines.states.set(now.address, { kind: "ready", instance });
    await path.begin("one two three four ", { endpoint: now });
    return path.bench.seen.filter((line) => line.startsWith("held"));
  }

  it("is not held where engines have what they may have kept", async () => {
    expect(await second(taught(1), 10_000)).toEqual(["held opened_early 0"]);
  });

  it("is held where they do not have it, or nobody has seen that they do", async () => {
    expect(await second(taught(0), 10_000)).toEqual(["held near 0"]);
    expect(await second(taught(undefined), 10_000)).toEqual(["held near 0"]);
  });

  it("is held where none was seen to have it for about as long", async () => {
    expect(await second(taught(1), 20_001)).toEqual(["held near 0"]);
  });

  it("is held where the engine is another process since", async () => {
    expect(await second(taught(1), 10_000, "another process")).toEqual(["held near 0"]);
  });
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
