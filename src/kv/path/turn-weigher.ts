/**
 * What a turn would cost at each endpoint of its pool, before one is chosen for its session. Endpoints differ in what they could load:
 * in the locations that they reach. Where all reach the same, nobody is asked anything.
 */
import type { Clock, Scheduler } from "../../clock.ts";
import type { Endpoint } from "../../endpoints/endpoint.ts";
import type { TurnBody } from "../dialects/dialect.ts";
import type { Predictor } from "../prediction/predictor.ts";
import type { Reach, Reaches } from "../reach.ts";
import type { SessionKey } from "../records.ts";
import type { TurnDesk } from "../turns/turn-desk.ts";
import { UnderWay } from "../turns/under-way.ts";
import type { EngineDirectory } from "./engine-directory.ts";
import { inTime } from "../in-time.ts";
import type { PathObserver } from "./path-observer.ts";
import type { CostMs, WeighRequest } from "./turn-path.ts";
import { isReadAlike } from "./turn-planner.ts";
import type { TurnPrompts } from "./turn-prompts.ts";

export interface WeigherOptions {
  readonly pool: string;
  /** That weighing takes no more than a share of. */
  readonly holdMs: number;
  /** Of sessions that are made here. */
  readonly model: { readonly name: string };
  readonly engines: Pick<EngineDirectory, "engine">;
  readonly reaches: Reaches;
  readonly turns: Pick<TurnDesk, "survey">;
  readonly predictor: Pick<Predictor, "predict">;
  readonly clock: Clock & Scheduler;
  readonly observer: Pick<PathObserver, "failed" | "spent">;
}

/** Of the time that Envoy waits. Planning, which follows, has most of it. */
const WEIGHING_SHARE = 0.1;

export class TurnWeigher {
  readonly #options: WeigherOptions;
  readonly #prompts: Pick<TurnPrompts, "of">;
  /** What ready endpoints of a snapshot reach, each set once. */
  readonly #reaches = new WeakMap<readonly Endpoint[], readonly Reach[]>();
  readonly #underWay = new UnderWay();

  constructor(options: WeigherOptions, prompts: Pick<TurnPrompts, "of">) {
    this.#options = options;
    this.#prompts = prompts;
  }

  weigh({
    session,
    body,
    endpoints,
  }: WeighRequest): (() => Promise<CostMs | undefined>) | undefined {
    const { turn } = body;
    if (turn.kind === "none") return undefined;
    const reaches = this.#reachesOf(endpoints);
    return reaches.length < 2 ? undefined : () => this.#inTime({ session, turn, reaches });
  }

  /** Idempotent. Waits for what is being weighed. */
  close(): Promise<void> {
    return this.#underWay.close();
  }

  #reachesOf(endpoints: readonly Endpoint[]): readonly Reach[] {
    const known = this.#reaches.get(endpoints);
    if (known !== undefined) return known;
    const ready = endpoints.filter(({ state }) => state === "ready");
    const reaches = [...new Set(ready.map((endpoint) => this.#options.reaches.of(endpoint)))];
    this.#reaches.set(endpoints, reaches);
    return reaches;
  }

  async #inTime(weighed: Weighed): Promise<CostMs | undefined> {
    const { holdMs, clock, observer, pool } = this.#options;
    const fromMs = clock.now();
    const weighing = this.#underWay
      .run(() => this.#weigh(weighed))
      .catch((reason: unknown) => {
        observer.failed("weigh", reason);
        return undefined;
      });
    const costs = await inTime(weighing, holdMs * WEIGHING_SHARE, clock);
    observer.spent({ pool, part: "weigh", elapsedMs: clock.now() - fromMs });
    return costs;
  }

  async #weigh({ session, turn, reaches }: Weighed): Promise<CostMs | undefined> {
    const { model, turns, engines, pool } = this.#options;
    const encoded = await this.#prompts.of(turn);
    if (encoded.kind === "unencoded") return undefined;
    const { prompt } = encoded;
    const survey = await turns.survey({ session, prompt, model: model.name, reaches });
    if (typeof survey === "string") return undefined;

    const { promptTokens, storedTokens } = survey;
    const { maxNewTokens } = turn;
    const costOf = (stored: number) =>
      this.#costOf({ promptTokens, storedTokens: stored, maxNewTokens });
    const costs = new Map(Array.from(storedTokens, ([reach, stored]) => [reach, costOf(stored)]));
    const withoutKv = costOf(0);
    return (endpoint) => {
      if (!isReadAlike(turn, engines.engine(pool, endpoint))) return withoutKv;
      return costs.get(this.#options.reaches.of(endpoint)) ?? withoutKv;
    };
  }

  /** Before times are learned, tokens to compute: what is said of one turn is in one unit. */
  #costOf(shape: Parameters<Predictor["predict"]>[0]): number {
    const { times } = this.#options.predictor.predict(shape);
    return times?.ttftMs ?? shape.promptTokens - shape.storedTokens;
  }
}

interface Weighed {
  readonly session: SessionKey;
  readonly turn: TurnBody;
  readonly reaches: readonly Reach[];
}
