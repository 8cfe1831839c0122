/** An engine whose times are known, and conversations that go through it. */
import { seededRandom } from "../../support/random.ts";
import type {
  ObservedTurn,
  Prediction,
  TurnErrors,
} from "../../../src/kv/prediction/prediction.ts";
import { Predictor } from "../../../src/kv/prediction/predictor.ts";

export interface Costs {
  readonly baseMs: number;
  readonly loadMs: number;
  readonly computeMs: number;
  /** Of one token that looks at a million others. */
  readonly lookMs: number;
  readonly decodeMs: number;
}

export const COSTS: Costs = {
  baseMs: 12,
  loadMs: 0.004,
  computeMs: 0.08,
  lookMs: 3,
  decodeMs: 6,
};

export function timesOf(
  work: Pick<ObservedTurn, "promptTokens" | "cachedTokens" | "outputTokens">,
  costs: Costs = COSTS,
) {
  const computed = work.promptTokens - work.cachedTokens;
  const looked = (computed * (work.promptTokens - computed / 2)) / 1e6;
  const loadMs = costs.loadMs * work.cachedTokens;
  const prefillMs = costs.baseMs + costs.computeMs * computed + costs.lookMs * looked;
  const ttftMs = loadMs + prefillMs;
  const totalMs = ttftMs + costs.decodeMs * Math.max(0, work.outputTokens - 1);
  return { loadMs, prefillMs, ttftMs, totalMs };
}

export interface Seen {
  readonly turn: ObservedTurn;
  readonly prediction: Prediction;
  readonly errors: TurnErrors | undefined;
}

/** All of what was given to load is loaded, and every answer is as long as it may be. */
export class MadeUpEngine {
  readonly predictor = new Predictor();
  readonly #random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  turn(isStreamed = true): ObservedTurn {
    const promptTokens = 200 + Math.floor(this.#random() * 8000);
    const storedTokens = this.#random() < 0.3 ? 0 : Math.floor(this.#random() * promptTokens);
    const maxNewTokens = 1 + Math.floor(this.#random() * 200);
    const work = { promptTokens, storedTokens, cachedTokens: storedTokens, maxNewTokens };
    const times = timesOf({ ...work, outputTokens: maxNewTokens });
    const ttftMs = isStreamed ? times.ttftMs : undefined;
    return { ...work, outputTokens: maxNewTokens, ttftMs, totalMs: times.totalMs };
  }

  see(turn: ObservedTurn): Seen {
    const prediction = this.predictor.predict(turn);
    return { turn, prediction, errors: this.predictor.observe(turn, prediction) };
  }

  /** `factor`: how much slower the turn is than the costs say, by chance or by change. */
  run(turns: number, factor: () => number = () => 1): readonly Seen[] {
    return Array.from({ length: turns }, () => {
      const turn = this.turn();
      const slower = factor();
      const { ttftMs = 0, totalMs } = turn;
      return this.see({ ...turn, ttftMs: ttftMs * slower, totalMs: totalMs * slower });
    });
  }

  chance(): number {
    return this.#random();
  }
}

/** The largest, of those that there are. */
export function worst(seen: readonly Seen[], figure: keyof TurnErrors): number {
  return Math.max(...seen.flatMap(({ errors }) => errors?.[figure] ?? []));
}
