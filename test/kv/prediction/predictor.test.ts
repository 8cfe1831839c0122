import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FIGURES, type ObservedTurn } from "../../../src/kv/prediction/prediction.ts";
import { NEEDED_ERRORS, NEEDED_TURNS, Predictor } from "../../../src/kv/prediction/predictor.ts";
import { MadeUpEngine, timesOf, worst } from "./made-up-engine.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 31 });

describe("times", () => {
  it("are told from as many turns on as there are costs", () => {
    const engine = new MadeUpEngine(1);
    const seen = engine.run(NEEDED_TURNS + 1);
    expect(seen.map(({ prediction }) => prediction.times !== undefined)).toEqual([
      ...Array.from({ length: NEEDED_TURNS }, () => false),
      true,
    ]);
  });

  it("are those of any engine that is as regular, within a few turns", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const engine = new MadeUpEngine(seed);
        engine.run(15);
        for (const figure of ["ttftMs", "totalMs"] as const) {
          expect(worst(engine.run(20), figure)).toBeLessThan(0.02);
        }
      }),
    );
  });

  it("have their parts apart, load and prefill", () => {
    const engine = new MadeUpEngine(2);
    engine.run(30);
    const turn = { promptTokens: 6000, storedTokens: 5000, maxNewTokens: 10 };
    const times = timesOf({ ...turn, cachedTokens: 5000, outputTokens: 10 });
    const told = engine.predictor.predict(turn).times;
    expect(told?.loadMs).toBeCloseTo(times.loadMs, 1);
    expect(told?.prefillMs).toBeCloseTo(times.prefillMs, 1);
    expect((told?.loadMs ?? 0) + (told?.prefillMs ?? 0)).toBeCloseTo(told?.ttftMs ?? NaN, 9);
  });

  it("are learned from answers that were not streamed, too", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const engine = new MadeUpEngine(seed);
        for (let turn = 0; turn < 40; turn++) engine.see(engine.turn(false));
        const { turn, prediction } = engine.see(engine.turn());
        expect(prediction.times?.totalMs).toBeCloseTo(turn.totalMs, -1);
        const off = Math.abs((prediction.times?.ttftMs ?? 0) - (turn.ttftMs ?? 0));
        expect(off / turn.totalMs).toBeLessThan(0.05);
      }),
    );
  });

  it.each([5, 1 / 5])("follow an engine that is %f times as slow from some turn on", (factor) => {
    const errors = Array.from({ length: 100 }, (_, seed) => {
      const engine = new MadeUpEngine(seed);
      engine.run(200);
      engine.run(20, () => factor);
      return engine.run(20, () => factor).map(({ errors: seen }) => seen?.ttftMs ?? Infinity);
    });
    const sorted = errors.flat().toSorted((left, right) => left - right);
    expect(sorted[0.9 * sorted.length]).toBeLessThan(0.02);
  });

  it("are off by little more than the noise is, nine times of ten", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const engine = new MadeUpEngine(seed);
        engine.run(200, () => 0.85 + 0.3 * engine.chance());
        const { ttftMs, totalMs } = engine.predictor.errors();
        expect(ttftMs?.p90).toBeLessThan(0.25);
        expect(totalMs?.p90).toBeLessThan(0.25);
      }),
    );
  });

  it("are those of most turns, where one in seven waits for others and takes up to four times as long", () => {
    const engine = new MadeUpEngine(5);
    engine.run(200, () => {
      const isLate = engine.chance() < 0.15;
      return isLate ? 1 + 3 * engine.chance() : 0.9 + 0.2 * engine.chance();
    });
    expect(engine.predictor.errors().ttftMs?.p50).toBeLessThan(0.1);
  });

  it("are moved little by one turn that took a thousand times as long", () => {
    const engine = new MadeUpEngine(3);
    engine.run(50);
    engine.run(1, () => 1000);
    expect(worst(engine.run(20), "ttftMs")).toBeLessThan(0.5);
  });

  it("keep what was learned of loading while nothing is loaded", () => {
    const engine = new MadeUpEngine(4);
    engine.run(50);
    for (let turn = 0; turn < 20_000; turn++) {
      const fresh = { ...engine.turn(), storedTokens: 0, cachedTokens: 0 };
      engine.see({ ...fresh, ...timesOf(fresh) });
    }
    expect(worst(engine.run(3), "ttftMs")).toBeLessThan(0.05);
  });
});

describe("tokens", () => {
  const turn: ObservedTurn = {
    promptTokens: 1000,
    storedTokens: 600,
    maxNewTokens: 100,
    cachedTokens: 600,
    outputTokens: 100,
    ttftMs: 10,
    totalMs: 20,
  };
  const after = (...turns: readonly Partial<ObservedTurn>[]) => {
    const predictor = new Predictor();
    for (const each of turns) {
      const seen = { ...turn, ...each };
      predictor.observe(seen, predictor.predict(seen));
    }
    return predictor;
  };

  it("are cached as given to load, before an engine has shown otherwise", () => {
    expect(after().predict(turn)).toEqual({
      cachedTokens: 600,
      outputTokens: 100,
      times: undefined,
    });
  });

  it("are cached beyond that by the share that most turns had", () => {
    const more = { cachedTokens: 800 }; // half of the 400 that were not given
    expect(after(more, more, {}).predict({ ...turn, storedTokens: 200 }).cachedTokens).toBe(600);
    expect(after(more, {}, {}).predict({ ...turn, storedTokens: 200 }).cachedTokens).toBe(200);
  });

  it("are cached by less than that where most turns had less", () => {
    expect(after({ cachedTokens: 0 }).predict(turn).cachedTokens).toBe(0);
    expect(after({ cachedTokens: 300 }).predict(turn).cachedTokens).toBe(300);
  });

  it("are cached as the engine may have kept them, by the share that it had of such", () => {
    const next = { ...turn, residentTokens: 700 };
    expect(after({}, {}).predict(next).cachedTokens).toBe(600);
    const kept = { residentTokens: 800, cachedTokens: 800 };
    expect(after({}, kept, {}).predict(next).cachedTokens).toBe(700);
    const half = { residentTokens: 800, cachedTokens: 700 };
    expect(after({}, half, {}).predict(next).cachedTokens).toBe(650);
    const none = { residentTokens: 800, cachedTokens: 600 };
    expect(after(kept, none, none).predict(next).cachedTokens).toBe(600);
    const more = { residentTokens: 700, cachedTokens: 900 };
    expect(after({}, more, {}).predict(next).cachedTokens).toBe(700);
    expect(after({}, kept, {}).predict({ ...next, residentTokens: 5000 }).cachedTokens).toBe(1000);
  });

  it("are cached as engines kept them that were asked again half as late or later", () => {
    const kept = { residentTokens: 800, cachedTokens: 800 };
    const soon = { ...kept, idleMs: 1_000 };
    const late = { residentTokens: 800, cachedTokens: 600, idleMs: 60_000 };
    const told = (predictor: Predictor, idleMs?: number) =>
      predictor.predict({ ...turn, residentTokens: 700, idleMs }).cachedTokens;
    const both = after(soon, soon, soon, late);
    expect([undefined, 0, 1_000, 2_000].map((idleMs) => told(both, idleMs))).toEqual(
      Array.from({ length: 4 }, () => 700),
    );
    expect([2_001, 60_000].map((idleMs) => told(both, idleMs))).toEqual([600, 600]);
    const lasting = after(soon, { ...kept, idleMs: 60_000 });
    expect([1_000, 120_000, 120_001].map((idleMs) => told(lasting, idleMs))).toEqual([
      700, 700, 600,
    ]);
  });

  it("are cached as the last 128 turns were that may have kept any", () => {
    const kept = { residentTokens: 800, cachedTokens: 800 };
    const none = { residentTokens: 800, cachedTokens: 600 };
    const often = (times: number, seen: Partial<ObservedTurn>) =>
      Array.from({ length: times }, () => seen);
    const next = { ...turn, residentTokens: 700 };
    expect(after(...often(200, none), ...often(64, kept)).predict(next).cachedTokens).toBe(600);
    expect(after(...often(200, none), ...often(65, kept)).predict(next).cachedTokens).toBe(700);
  });

  it("are cached as given to load where the engine may have kept no more than that", () => {
    const kept = { residentTokens: 800, cachedTokens: 800 };
    expect(after(kept, kept).predict({ ...turn, residentTokens: 500 }).cachedTokens).toBe(600);
  });

  it("are answered by the share of what is allowed that most answers had", () => {
    expect(after({ outputTokens: 25 }).predict({ ...turn, maxNewTokens: 40 }).outputTokens).toBe(
      10,
    );
    const unlimited = { ...turn, maxNewTokens: undefined };
    expect(after({ outputTokens: 25 }).predict(unlimited).outputTokens).toBe(25);
    expect(after().predict(unlimited).outputTokens).toBeUndefined();
  });
});

describe("errors", () => {
  it("are fractions of what was, and of the prompt for what is cached", () => {
    const predictor = new Predictor();
    const turn = { promptTokens: 1000, storedTokens: 600, maxNewTokens: 80 };
    const times = { loadMs: 10, prefillMs: 30, ttftMs: 40, totalMs: 150 };
    const prediction = { cachedTokens: 600, outputTokens: 80, times };
    const actual = { cachedTokens: 500, outputTokens: 100, ttftMs: 50, totalMs: 200 };
    expect(predictor.observe({ ...turn, ...actual }, prediction)).toEqual({
      cachedTokens: 0.1,
      outputTokens: 0.2,
      loadMs: 1,
      prefillMs: 10 / 30,
      ttftMs: 0.2,
      totalMs: 0.25,
    });
  });

  it("are told of figures that enough turns were compared with, and of the last 128 alone", () => {
    const engine = new MadeUpEngine(5);
    engine.run(NEEDED_ERRORS - 1);
    expect(Object.values(engine.predictor.errors())).toEqual(FIGURES.map(() => undefined));
    engine.run(1);
    expect(engine.predictor.errors()).toMatchObject({
      cachedTokens: { p50: 0, p90: 0 },
      ttftMs: undefined,
    });
    engine.run(30, () => 0.5 + engine.chance());
    const noisy = engine.predictor.errors().ttftMs;
    expect(noisy?.p90).toBeGreaterThan(noisy?.p50 ?? NaN);
    engine.run(200);
    expect(engine.predictor.errors().ttftMs?.p90).toBeLessThan(0.01);
  });
});

describe("what no engine can have done", () => {
  const sound = new MadeUpEngine(6).turn();
  it.each<Partial<ObservedTurn>>([
    { promptTokens: 0, storedTokens: 0, cachedTokens: 0 },
    { cachedTokens: sound.promptTokens + 1 },
    { storedTokens: sound.promptTokens + 1 },
    { cachedTokens: -1 },
    { outputTokens: 1.5 },
    { outputTokens: NaN },
    { maxNewTokens: Infinity },
    { totalMs: 0 },
    { totalMs: NaN },
    { totalMs: 1e9 },
    { ttftMs: 0 },
    { ttftMs: sound.totalMs + 1 },
  ])("is refused: %o", (flaw) => {
    const engine = new MadeUpEngine(7);
    engine.run(20);
    const before = [engine.predictor.predict(sound), engine.predictor.errors()];
    expect(engine.see({ ...sound, ...flaw }).errors).toBeUndefined();
    expect([engine.predictor.predict(sound), engine.predictor.errors()]).toEqual(before);
  });

  it("never makes a figure negative or anything but a number, mixed with what may be", () => {
    const wild = fc.oneof(
      fc.double(),
      fc.integer({ min: -5, max: 5000 }),
      fc.integer({ min: 0, max: 200_000_000 }),
    );
    const turns = fc.record({
      promptTokens: wild,
      storedTokens: fc.oneof(fc.constant(0), wild),
      residentTokens: fc.option(wild, { nil: undefined }),
      idleMs: fc.option(wild, { nil: undefined }),
      cachedTokens: fc.oneof(fc.constant(0), wild),
      maxNewTokens: fc.option(wild, { nil: undefined }),
      outputTokens: wild,
      ttftMs: fc.option(wild, { nil: undefined }),
      totalMs: wild,
    });
    fc.assert(
      fc.property(seeds, fc.array(turns, { maxLength: 60 }), (seed, wilds) => {
        const engine = new MadeUpEngine(seed);
        engine.run(NEEDED_TURNS);
        for (const turn of wilds) engine.see(turn);
        const { cachedTokens, outputTokens, times } = engine.predictor.predict(engine.turn());
        const figures = [cachedTokens, outputTokens, ...Object.values(times ?? { none: NaN })];
        expect(figures.filter((each) => !(Number.isFinite(each) && Number(each) >= 0))).toEqual([]);
      }),
    );
  });
});
