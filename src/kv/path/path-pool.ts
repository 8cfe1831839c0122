/**
 * The turns of one pool, from body to answer. Whatever goes wrong on our side leaves the request as it came, less what clients may
 * not send: the engine computes what it was not given.
 */
import type { MaybePromise } from "../../affinity/binding-store.ts";
import type { Clock, Scheduler } from "../../clock.ts";
import type { Endpoint } from "../../endpoints/endpoint.ts";
import type { JsonVisitor } from "../../json/json-walk.ts";
import type { Dialect, ReadBody, UnreadableBody } from "../dialects/dialect.ts";
import { isWithin } from "../reach.ts";
import type { SessionKey } from "../records.ts";
import type { Prefetcher } from "../turns/prefetcher.ts";
import type { TurnDesk } from "../turns/turn-desk.ts";
import type { TurnPlan } from "../turns/turn-plan.ts";
import type { EngineDirectory } from "./engine-directory.ts";
import { leadsToAny, SGLANG_PATHS } from "./forbidden-paths.ts";
import { HeldBodies } from "./held-bodies.ts";
import type { PassReason, PathObserver, TurnPart } from "./path-observer.ts";
import { InjectedTurn } from "./path-turn.ts";
import { ResidentTokens } from "./resident-tokens.ts";
import { type OpenTurn, TurnEndings } from "./turn-endings.ts";
import type { BegunTurn, KvPool, TurnRequest, WeighRequest } from "./turn-path.ts";
import { isReadAlike, type PlannedTurn, type PlannerOptions, TurnPlanner } from "./turn-planner.ts";
import { TurnPrompts, type TurnPromptsOptions } from "./turn-prompts.ts";
import { type StartedTurn, TurnBegins } from "./turn-begins.ts";
import { TurnWatch, type WatchOptions } from "./turn-watch.ts";
import { TurnWeigher, type WeigherOptions } from "./turn-weigher.ts";

type Parts = PlannerOptions & TurnPromptsOptions & WeigherOptions & WatchOptions;

export interface PathPoolOptions extends Omit<
  Parts,
  "engines" | "turns" | "observer" | "tokens" | "predictor" | "resident" | "clock"
> {
  readonly bodyLimitBytes: number;
  readonly exposeKv: boolean;
  readonly holdMs: number;
  /** Raw paths on which bodies pass unread. */
  readonly passPaths: readonly string[];
  readonly dialect: Dialect;
  readonly engines: EngineDirectory;
  readonly tokens: TurnPromptsOptions["tokens"];
  readonly turns: Pick<TurnDesk, "plan" | "survey" | "commit" | "abort" | "end">;
  readonly predictor: WatchOptions["predictor"];
  readonly prefetcher: Pick<Prefetcher, "prefetch">;
  readonly observer: PathObserver;
  readonly clock: Clock & Scheduler;
  /** Ids of the engines' own sessions: random, never the same twice. */
  readonly newEngineSession: () => string;
}

/** Of ids of prompts that engines may still have, with their answers: some eight million. */
const RESIDENT_BYTES = 32 * 1024 * 1024;

export class PathPool implements KvPool {
  readonly bodyLimitBytes: number;
  readonly holdMs: number;
  readonly #options: PathPoolOptions;
  readonly #passPaths: ReadonlySet<string>;
  readonly #planner: TurnPlanner;
  readonly #weigher: TurnWeigher;
  readonly #resident: ResidentTokens;
  readonly #endings: TurnEndings;
  readonly #begins: TurnBegins<PlannedTurn>;
  readonly #bodies: HeldBodies;

  constructor(options: PathPoolOptions) {
    this.#options = options;
    this.bodyLimitBytes = options.bodyLimitBytes;
    this.holdMs = options.holdMs;
    this.#passPaths = new Set(options.passPaths);
    this.#bodies = new HeldBodies(options);
    const prompts = new TurnPrompts(options);
    const { clock, model } = options;
    const { pageSize } = model.rules;
    const resident = new ResidentTokens({ pageSize, limitBytes: RESIDENT_BYTES, clock });
    this.#resident = resident;
    this.#planner = new TurnPlanner({ ...options, resident }, prompts);
    this.#weigher = new TurnWeigher(options, prompts);
    this.#endings = new TurnEndings({ ...options, resident });
    this.#begins = new TurnBegins({
      ...options,
      bodies: this.#bodies,
      plan: (request) => this.#planner.plan(request),
      discard: (planned) => this.#endings.discard(planned),
      start: (request, planned) => this.#inject(request, planned),
      passed: (scope) => this.#endings.pass(scope),
    });
  }

  /** An operator may list them as paths that pass: then whoever loads other weights has to give them another version. */
  forbids(path: string): boolean {
    return leadsToAny(path, SGLANG_PATHS) && !this.passes(path);
  }

  passes(rawPath: string): boolean {
    return this.#passPaths.has(rawPath);
  }

  readBody(
    path: string,
    body: Uint8Array,
    also?: JsonVisitor,
  ): MaybePromise<ReadBody | UnreadableBody> {
    return this.#bodies.read(path, body, also);
  }

  weigh(request: WeighRequest): ReturnType<KvPool["weigh"]> {
    return this.#weigher.weigh(request);
  }

  begin(request: TurnRequest): Promise<BegunTurn> {
    return this.#begins.begin(request);
  }

  /**
   * Once every exchange is over. Waits for what is being planned, aborts the turns that nobody will answer any more, and waits until
   * all that was committed is listed or dropped. Idempotent.
   */
  async close(): Promise<void> {
    await Promise.all([this.#begins.close(), this.#weigher.close()]);
    await this.#endings.close();
  }

  #inject(request: TurnRequest, planned: PlannedTurn): StartedTurn | PassReason {
    const { engines, pool } = this.#options;
    const engine = engines.engine(pool, request.endpoint);
    // Another process since the plan was begun may be another model.
    if (engine.kind === "ready" && engine.instance === planned.instance) {
      return this.#injected(request, planned, engine.tellsUsage);
    }
    this.#endings.discard(planned);
    return engine.kind === "off" ? engine.reason : "engine_unknown";
  }

  #injected(request: TurnRequest, planned: PlannedTurn, tellsUsage?: boolean): StartedTurn {
    const { engines, pool, newEngineSession, clock } = this.#options;
    const { session, isFinal, endpoint } = request;
    const { body, plan, prompt, inputIds, instance: engine } = planned;
    const { stored, storedTokens } = plan;
    const fresh = plan.fresh.kind === "reserved" ? plan.fresh : undefined;
    const engineSession = newEngineSession();
    const fromMs = clock.now();
    const { pieces, openAnswer } = body.inject({
      kind: "segments",
      engineSession,
      stored,
      fresh: fresh?.segments ?? [],
      inputIds,
      tellsUsage,
    });
    this.#spent("inject", fromMs);
    const fallbacks = request.fallbacks.filter(
      (each) => isReadAlike(body, engines.engine(pool, each)) && this.#reachesAll(each, plan),
    );
    const scope = { session, isFinal, endpoint, engine, fallbacks };
    const open = { ...scope, turn: fresh?.turn, prompt, storedTokens, engineSession };
    const { exposeKv } = this.#options;
    const watch = this.#watch(session, planned);
    const endings = this.#endings;
    return {
      body: pieces,
      fallbacks: untilTriesEnd(endpoint, fallbacks),
      status: `reused=${storedTokens}`,
      turn: (over) =>
        new InjectedTurn<OpenTurn>({ open, openAnswer, exposeKv, endings, watch, over }),
      promptTokens: plan.promptTokens,
      reusedTokens: storedTokens,
    };
  }

  #spent(part: TurnPart, fromMs: number): void {
    const { observer, clock, pool } = this.#options;
    observer.spent({ pool, part, elapsedMs: clock.now() - fromMs });
  }

  /** Of another, the body would name files that are not its own. */
  #reachesAll(endpoint: Endpoint, { locations }: TurnPlan): boolean {
    return isWithin(locations, this.#options.reaches.of(endpoint));
  }

  #watch(session: SessionKey, { plan, body, prompt, instance }: PlannedTurn): TurnWatch {
    const { promptTokens, storedTokens } = plan;
    const kept = this.#resident.of({ session, engine: instance, prompt });
    const { maxNewTokens } = body;
    const shape = { promptTokens, storedTokens, ...kept, maxNewTokens };
    const isGuessed = prompt.kind === "text";
    return new TurnWatch({ session, shape, isGuessed }, this.#options);
  }
}

/** At least what Envoy's retry policy allows for one request, the first one included: `num_retries` is 2 in the bootstraps. */
const TRIES = 8;

/**
 * All that Envoy may try after the first: over and over, because where its retries outnumber the list, it goes on to any engine of
 * the cluster, of which this body may name KV that is not its own.
 */
function untilTriesEnd(first: Endpoint, others: readonly Endpoint[]): readonly Endpoint[] {
  const round = [...others, first];
  const rounds = Math.ceil((TRIES - 1) / round.length);
  return Array.from({ length: rounds }, () => round).flat();
}
