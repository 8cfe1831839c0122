/**
 * The KV service in process: what a turn is given to load and where it may store (`plan`), and what becomes of it (`commit` or
 * `abort`). It joins the catalog's rules to files, keys and models, and holds nothing that a crash could lose: a turn is in the
 * catalog, and whoever commits brings the tokens again.
 *
 * Whatever is missing or wrong on our side makes a plan smaller and names the reason; the engine then computes what it was not
 * given. So a plan rejects for a bug only.
 */
import type { Clock, Scheduler } from "../../clock.ts";
import type { CopyChoice } from "../copies.ts";
import { CatalogFault } from "../catalog-fault.ts";
import type { Digest } from "../digest.ts";
import type { ListedCopy } from "../holders.ts";
import type { Segment, SessionKey, TurnId } from "../records.ts";
import type { SegmentChecker } from "../verify/segment-checker.ts";
import type { Crc32 } from "../verify/segment-pass.ts";
import type { SegmentVerifier } from "../verify/segment-verifier.ts";
import type { Gate, HoldOutcome } from "../readahead/gate.ts";
import { Admission, type Candidate, SEEN_LIMIT } from "./admission.ts";
import { Committer } from "./committer.ts";
import type { Hurried } from "./hurried.ts";
import { listedIn } from "./listed.ts";
import { Lister, type Listing } from "./listing.ts";
import { Onlooker } from "./onlooker.ts";
import { partsOf } from "./parts.ts";
import type { Places } from "./places.ts";
import type { PromptIndex } from "./prompt-index.ts";
import { type FreshOutcome, Reserver, type ReserverOptions } from "./reserver.ts";
import { SegmentCutter } from "./segment-cutter.ts";
import { SessionQueue } from "./session-queue.ts";
import { Settlements } from "./settlements.ts";
import { locationsOf, plannedReservation, plannedSegments, unplanned } from "./planned.ts";
import { seek } from "./seek.ts";
import { type Setting, Settings, type SettingsOptions } from "./settings.ts";
import type {
  AbortReason,
  CommitOutcome,
  CommitRequest,
  Explanation,
  ExplainRequest,
  PlanRequest,
  Survey,
  SurveyRequest,
  TurnObserver,
  TurnPlan,
  UnplannedReason,
} from "./turn-plan.ts";
import { sealedTurn } from "./turn-seal.ts";
import { UnderWay } from "./under-way.ts";

export interface TurnPolicy {
  /** From the plan to the commit: at least the longest request. > 0. */
  readonly turnMs: number;
  /** From the commit until everything is verified, or dropped. > 0. */
  readonly settleMs: number;
  /** Of one reservation; what is above is computed and not stored. */
  readonly reservationTokens: number;
  readonly cutAtPrompt: boolean;
  /** Of a prompt's tokens: one that has fewer is not stored. */
  readonly minTokens: number;
  /** While a turn of the session is open, the next one waits for it, up to `waitMs`, or stores in a file of its own. */
  readonly whenBusy: "wait" | "branch";
  readonly waitMs: number;
  /** Turns that wait, of all sessions. */
  readonly waitingLimit: number;
  /** Turns that are being verified. */
  readonly settlingLimit: number;
  /** When bytes are read again before they are listed: where the file is not as it was, or at every plan. */
  readonly recheck: "changed" | "always";
}

type Reserving = Pick<ReserverOptions, "isLost" | "pressed">;

export interface TurnDeskOptions extends SettingsOptions, Reserving {
  readonly places: Places;
  readonly verifier: SegmentVerifier;
  /** Shared with whoever else reads segments: what one has read again, the others need not. */
  readonly checker: SegmentChecker;
  /** Which copy of a segment is listed. */
  readonly copies: CopyChoice;
  /** Which every plan passes before anything is reserved for it. */
  readonly gate: Pick<Gate, "pass" | "open">;
  /** Of waiting, which no jump of the wall clock makes longer. */
  readonly scheduler: Clock & Scheduler;
  /** Runs a plan before what the catalog has to keep up. */
  readonly hurried: Hurried;
  /** Random, never the same twice: up to 39 letters, digits, `_` and `-`. */
  readonly newTurn: () => string;
  /** The same, up to 32 of them. */
  readonly newName: () => string;
  readonly crc32: Crc32;
  readonly policy: TurnPolicy;
  /** A turn was told to read these, each in its copy. Returns at once and does not throw. */
  readonly read: (segments: readonly Segment[]) => void;
  /** A session is being ended by its client or its tenant, not by time. Returns at once and does not throw. */
  readonly ended?: (session: SessionKey) => void;
  readonly observer: TurnObserver;
}

/** Others may take what was matched before it is leased, again and again. */
const PLAN_ATTEMPTS = 8;

export class TurnDesk {
  readonly #options: TurnDeskOptions;
  readonly #settings: Settings;
  readonly #lister: Lister;
  readonly #onlooker: Onlooker;
  readonly #reserver: Reserver;
  readonly #admission: Admission;
  readonly #queue: SessionQueue;
  readonly #settlements: Settlements;
  readonly #committer: Committer;
  /** All that the catalog must outlive. */
  readonly #underWay = new UnderWay();

  constructor(options: TurnDeskOptions) {
    const { catalog, places, verifier, checker, copies, policy, observer, nowMs } = options;
    this.#options = options;
    this.#settings = new Settings(options);
    this.#lister = new Lister({ catalog, places, checker, copies, recheck: policy.recheck });
    const [settings, lister] = [this.#settings, this.#lister];
    this.#onlooker = new Onlooker({ catalog, settings, lister, places });
    const aborted = (reason: AbortReason) => observer.aborted(reason);
    this.#admission = new Admission({ minTokens: policy.minTokens, seenLimit: SEEN_LIMIT });
    this.#reserver = new Reserver({ ...options, aborted });
    this.#queue = new SessionQueue(options.scheduler, policy.waitingLimit);
    const limit = policy.settlingLimit;
    const cutter = new SegmentCutter(options);
    const settling = { catalog, verifier, cutter, places, nowMs, limit, observer };
    this.#settlements = new Settlements(settling);
    this.#committer = new Committer({
      ...options,
      settings: this.#settings,
      queue: this.#queue,
      settlements: this.#settlements,
      settleMs: policy.settleMs,
    });
  }

  /** Leases what it lists and the bytes that it reserves, and counts as a use of the session. */
  async plan(request: PlanRequest): Promise<TurnPlan> {
    const { nowMs } = this.#options;
    // What cannot be leased must not be read, nor written what is not booked.
    const plan = await this.#underWay
      .run(() => this.#plan(request))
      .catch((reason: unknown) => {
        if (reason instanceof CatalogFault) return unplanned("catalog_failed", nowMs());
        throw reason;
      });
    this.#options.observer.planned(plan);
    return plan;
  }

  /** What a plan would list now, and why no more. No use of anything, and nothing is leased or dropped. */
  explain(request: ExplainRequest): Promise<Explanation | UnplannedReason> {
    return this.#underWay.run(() => this.#onlooker.explain(request));
  }

  /** As `explain`, for engines that do not all reach the same: how much each would list. */
  survey(request: SurveyRequest): Promise<Survey | UnplannedReason> {
    return this.#underWay.run(() => this.#onlooker.survey(request));
  }

  /** Once, before the deadline. What is pending afterwards is verified in the background. */
  async commit(request: CommitRequest): Promise<CommitOutcome> {
    const outcome = await this.#underWay.run(() => this.#committer.commit(request));
    this.#options.observer.committed(outcome);
    return outcome;
  }

  /** Nothing of the turn is listed, and no later turn stores in its file. False if it is over already. */
  abort(id: TurnId, reason: AbortReason): Promise<boolean> {
    const { catalog, observer, nowMs } = this.#options;
    return this.#underWay.run(async () => {
      const turn = await catalog.turn(id);
      const isAborted = await catalog.abort({ turn: id, nowMs: nowMs() });
      if (turn !== undefined) this.#queue.wake(turn.session);
      if (isAborted) observer.aborted(reason);
      return isAborted;
    });
  }

  /** Drops what the session refers to, aborts its turns, and lets those that wait for it go. False if there was none. */
  end(session: SessionKey): Promise<boolean> {
    const { catalog, nowMs } = this.#options;
    return this.#underWay.run(async () => {
      this.#options.ended?.(session);
      const isEnded = await catalog.end(session, nowMs());
      this.#queue.wake(session);
      return isEnded;
    });
  }

  /** Waits until all that was committed so far is listed or dropped. */
  settled(): Promise<void> {
    return this.#settlements.idle();
  }

  /** No turn waits from now on: who waits for another is given a plan at once, without a reservation. */
  drain(): void {
    this.#queue.close();
    this.#options.gate.open();
  }

  /** Idempotent. Takes no more work, ends all waiting, and waits for all that is under way; neither catalog nor verifier is closed. */
  async close(): Promise<void> {
    this.drain();
    await this.#underWay.close();
    await this.#settlements.idle();
  }

  async #plan(request: PlanRequest): Promise<TurnPlan> {
    const { policy, hurried, nowMs, scheduler } = this.#options;
    await this.#hold(request);
    const waitUntilMs = scheduler.now() + policy.waitMs;
    for (let attempt = 1; attempt <= PLAN_ATTEMPTS;) {
      const begun = await hurried(() => this.#begin(request));
      if (typeof begun === "string") return unplanned(begun, nowMs());
      const { turn, fresh } = begun;
      if (fresh.kind === "busy") {
        const waitMs = Math.min(waitUntilMs - scheduler.now(), fresh.deadlineMs - turn.nowMs);
        if (waitMs > 0 && (await this.#wait(request, fresh.turn, waitMs))) continue;
      }
      const plan = await this.#finish(turn, fresh);
      if (plan !== undefined) return plan;
      attempt++;
    }
    return unplanned("contended", nowMs());
  }

  /** Before anything is reserved, so that nothing has to be taken back. */
  #hold(request: PlanRequest): Promise<HoldOutcome | undefined> {
    const { reach, hold } = request;
    const match = async () => {
      const sought = await seek(request, this.#settings);
      return typeof sought === "string" ? undefined : sought.match;
    };
    return this.#options.gate.pass({ match, reach, hold });
  }

  async #begin(request: PlanRequest): Promise<BegunTurn | UnplannedReason> {
    const { places, nowMs } = this.#options;
    if (request.hold?.signal?.aborted === true) return "client_gone";
    const sought = await seek(request, this.#settings);
    if (typeof sought === "string") return sought;
    const { setting, index, match } = sought;
    const locations = places.within(request.reach);
    const listing = await this.#lister.list({ ...match, locations }, setting.model);
    const turn = { request, setting, index, listing, nowMs: nowMs() };
    return { turn, fresh: await this.#reserve(turn) };
  }

  /** Undefined when something that was matched has gone since. */
  async #finish(turn: PlannedTurn, fresh: FreshOutcome): Promise<TurnPlan | undefined> {
    const { listing, nowMs, request } = turn;
    if (fresh.kind === "stale") return undefined;
    const deadlineMs = this.#deadlineOf(turn);
    const isLeased = fresh.kind === "reserved" || (fresh.kind === "none" && fresh.isLeased);
    if (!isLeased) {
      const { session } = request;
      const { trusts } = turn.setting.tenant;
      const lease = { session, trusts, listed: this.#listed(turn), nowMs, untilMs: deadlineMs };
      if (!(await this.#options.catalog.lease(lease))) return undefined;
    }
    this.#admission.remember(candidateOf(turn));
    this.#options.read(listing.segments);
    return {
      stored: plannedSegments(listing.segments, this.#options.places),
      storedTokens: listing.tokens,
      text: turn.index.plannedText(endOf(listing)),
      promptTokens: turn.index.promptTokens(listing.tokens),
      limit: listing.limit,
      fresh: plannedReservation(fresh),
      locations: locationsOf(listing.segments, fresh),
      deadlineMs,
    };
  }

  async #reserve(turn: PlannedTurn): Promise<FreshOutcome> {
    const { policy, newTurn } = this.#options;
    const { request, setting, index, listing, nowMs } = turn;
    const { session, tenant, model } = setting;
    const parts = partsOf({
      promptTokens: index.reservedTokens(listing.tokens),
      storedTokens: listing.tokens,
      maxNewTokens: request.maxNewTokens,
      pageSize: model.rules.pageSize,
      limitTokens: policy.reservationTokens,
      cutAtPrompt: policy.cutAtPrompt,
    });
    if (parts.length === 0) return { kind: "none", reason: "nothing_to_store", isLeased: false };
    const unadmitted = this.#admission.refusal(candidateOf(turn));
    if (unadmitted !== undefined) return { kind: "none", reason: unadmitted, isLeased: false };
    return this.#reserver.reserve({
      newTurn: () => sealedTurn(newTurn(), index.keyAt(index.view.length)),
      session,
      reach: request.reach,
      quota: tenant.quota,
      trusts: tenant.trusts,
      geometry: model.geometry(request.prompt.kind),
      layout: model.layout,
      listed: this.#listed(turn),
      tokenStart: listing.tokens,
      parts,
      engine: request.engine,
      whenBusy: policy.whenBusy,
      nowMs,
      deadlineMs: this.#deadlineOf(turn),
    });
  }

  async #wait({ session, hold }: PlanRequest, holder: TurnId, ms: number): Promise<boolean> {
    // It may have ended since, and then nobody would wake us.
    const turn = await this.#options.catalog.turn(holder);
    return turn?.state !== "reserved" || this.#queue.wait(session, ms, hold?.signal);
  }

  #listed({ setting, listing }: PlannedTurn): readonly ListedCopy[] {
    return listedIn(setting.tenant.key, listing.segments, this.#options.digests);
  }

  #deadlineOf({ nowMs }: PlannedTurn): number {
    return nowMs + this.#options.policy.turnMs;
  }
}

interface PlannedTurn {
  readonly request: PlanRequest;
  readonly setting: Setting;
  readonly index: PromptIndex;
  readonly listing: Listing;
  readonly nowMs: number;
}

interface BegunTurn {
  readonly turn: PlannedTurn;
  readonly fresh: FreshOutcome;
}

function candidateOf({ index, listing, setting }: PlannedTurn): Candidate {
  return { index, storedTokens: listing.tokens, retention: setting.session.retention };
}

function endOf({ segments }: Listing): Digest | undefined {
  const end = segments.at(-1)?.chain?.end;
  return end?.leaf?.digest ?? end?.grid;
}
