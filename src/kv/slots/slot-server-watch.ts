/**
 * One server: watched over a connection, and, whenever that shows another process than before, found out about. Which weights it has and where it saves cannot be asked
 * over that connection; until both are known, it is not ready.
 */
import { isAbsolute } from "node:path";
import type { Random, Scheduler } from "../../clock.ts";
import type { Digests } from "../digest.ts";
import type { EngineTarget, OpenConnection } from "../engines/engine-connection.ts";
import { ProcessWatch } from "../engines/process-watch.ts";
import type { CacheType } from "../model/cache-types.ts";
import { type ModelIdentity, snapshotGeometryKey } from "../model/snapshot-geometry.ts";
import type { EngineInstance } from "../records.ts";
import { HttpSlotServer } from "./http-slot-server.ts";
import type { ModelFiles } from "./model-files.ts";
import { LocationProbe, type LocationProbeOptions } from "./saving-location.ts";
import { SlotCalls } from "./slot-calls.ts";
import type { ExpectedSlots, SlotProcess, SlotStanding } from "./slot-process.ts";
import { QUESTIONS_PER_CONNECTION, SlotQuestions, slotsOff } from "./slot-questions.ts";
import type { SlotServerOffReason, SlotServerState } from "./slot-server.ts";

/** Of the servers of one pool. */
export interface SlotPoolFacts {
  readonly expected: ExpectedSlots;
  /** Of the model, where its file cannot be read here. */
  readonly modelId: string | undefined;
  /** That they want of whoever asks. */
  readonly apiKey?: string | undefined;
  readonly cacheTypeK: CacheType;
  readonly cacheTypeV: CacheType;
}

export interface SlotWatchOptions extends Omit<LocationProbeOptions, "calls"> {
  readonly target: EngineTarget;
  readonly facts: SlotPoolFacts;
  readonly startDelayMs: number;
  readonly open: OpenConnection;
  readonly models: Pick<ModelFiles, "digest">;
  readonly digests: Digests;
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Never the same twice, in no process. */
  readonly newInstance: () => EngineInstance;
  readonly events: SlotWatchEvents;
}

export interface SlotWatchEvents {
  stateChanged(from: SlotServerState, to: SlotServerState, why: string | undefined): void;
  unanswered(why: string): void;
}

/** Until what could not be found out is tried again: what the server may answer by now, and what somebody would have to mend. */
export const FIND_AGAIN_MS = { unknown: 1_000, off: 10_000 } as const;

/** A process, as long as it is there. */
interface Lifetime {
  readonly process: SlotProcess;
  readonly calls: SlotCalls;
  readonly probe: LocationProbe;
  readonly over: AbortController;
}

interface Found {
  readonly state: SlotServerState;
  readonly why: string | undefined;
}

const UNKNOWN = slotsOff("engine_unknown");

export class SlotServerWatch {
  readonly target: EngineTarget;
  readonly #options: SlotWatchOptions;
  readonly #watch: ProcessWatch<SlotStanding>;
  #state: SlotServerState = UNKNOWN;
  #lifetime: Lifetime | undefined;
  /** Never rejects. */
  #finding: Promise<void> = Promise.resolve();

  constructor(options: SlotWatchOptions) {
    this.target = options.target;
    this.#options = options;
    const { events } = options;
    this.#watch = new ProcessWatch<SlotStanding>({
      ...options,
      unknown: UNKNOWN,
      questions: new SlotQuestions({ ...options, ...options.facts }),
      questionsPerConnection: QUESTIONS_PER_CONNECTION,
      events: {
        stateChanged: (_from, to, why) => this.#stands(to, why),
        unanswered: (why) => events.unanswered(why),
      },
    });
  }

  get state(): SlotServerState {
    return this.#state;
  }

  /** Idempotent. Waits for what is being found out. */
  async close(): Promise<void> {
    this.#watch.close();
    this.#endLifetime();
    await this.#finding;
  }

  #stands(standing: SlotStanding, why: string | undefined): void {
    this.#endLifetime();
    if (standing.kind === "off") return this.#become({ state: standing, why });
    this.#become({ state: UNKNOWN, why });
    const { target, scheduler } = this.#options;
    const calls = new SlotCalls({ target, scheduler, slots: standing.slots });
    const probe = new LocationProbe({ ...this.#options, calls });
    const lifetime = { process: standing, calls, probe, over: new AbortController() };
    this.#lifetime = lifetime;
    const before = this.#finding;
    this.#finding = this.#findOut(lifetime, before);
  }

  #endLifetime(): void {
    this.#lifetime?.over.abort();
    this.#lifetime?.calls.close();
    this.#lifetime = undefined;
  }

  async #findOut(lifetime: Lifetime, before: Promise<void>): Promise<void> {
    await before;
    const { signal } = lifetime.over;
    while (!signal.aborted) {
      const found = await this.#find(lifetime);
      if (signal.aborted) return;
      this.#become(found);
      const { state } = found;
      if (state.kind === "ready" || state.reason === "slots_off") return;
      const isUnknown = state.reason === "engine_unknown";
      await this.#pause(isUnknown ? FIND_AGAIN_MS.unknown : FIND_AGAIN_MS.off, signal);
    }
  }

  async #find({ process, calls, probe, over }: Lifetime): Promise<Found> {
    const { facts, digests } = this.#options;
    const model = await this.#modelOf(process);
    if (model === undefined) return off("model_unknown", whyUnknown(process.modelPath));
    const saving = await probe.find(over.signal);
    switch (saving.kind) {
      case "unknown":
        return off("engine_unknown", saving.why);
      case "slots_off":
        return off("slots_off", saving.why);
      case "nowhere":
        return off("no_staging", saving.why);
      case "at": {
        const { cacheTypeK, cacheTypeV } = facts;
        const { ftype = null, build = null } = process;
        const named = { model, cacheTypeK, cacheTypeV, ftype, build };
        const geometry = snapshotGeometryKey(named, digests);
        const server = new HttpSlotServer({ ...process, ...saving, geometry }, calls);
        return { state: { kind: "ready", server }, why: undefined };
      }
    }
  }

  async #modelOf({ modelPath }: SlotProcess): Promise<ModelIdentity | undefined> {
    const { facts, models } = this.#options;
    const digest = modelPath === undefined ? undefined : await models.digest(modelPath);
    if (digest !== undefined) return `sha256:${digest}`;
    return facts.modelId === undefined ? undefined : `id:${facts.modelId}`;
  }

  #become({ state, why }: Found): void {
    const from = this.#state;
    if (state === from) return;
    this.#state = state;
    this.#options.events.stateChanged(from, state, why);
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.scheduler.after(ms, resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    cancel();
  }
}

function off(reason: SlotServerOffReason, why?: string): Found {
  return { state: slotsOff(reason), why };
}

/** A path that is relative is one in the server's folder, which nobody tells. */
function whyUnknown(modelPath: string | undefined): string {
  if (modelPath === undefined) return "it tells no model_path";
  const why = isAbsolute(modelPath)
    ? "cannot be read"
    : "is relative: start it with the whole path";
  return `its model_path ${modelPath} ${why}`;
}
