/**
 * One pool: merges what discovery lists, what health signs say and what drain deadlines demand into immutable snapshots, a
 * new one per change. Health changes share the ring; a changed list is ranked in steps between other work of the event loop,
 * and until the new ring is there the snapshots combine the old ring with the new states: what was delisted is `down` at
 * once, what was added waits beside the ring.
 */
import type { PoolSnapshot } from "../affinity/pool-snapshot.ts";
import type { RingMember } from "../affinity/ring.ts";
import type { Cancel, Clock, Scheduler } from "../clock.ts";
import type { EndpointId, EndpointSpec } from "./endpoint.ts";
import type { CheckFailure, Checks } from "./health/active-checks.ts";
import {
  afterCheck,
  afterConnectFailure,
  assumedUp,
  PASSIVE_RECOVERY_MS,
  passiveAllowance,
  unchecked,
  undecided,
  type HealthThresholds,
} from "./health/health.ts";
import { Member, type LastCheck } from "./member.ts";
import type { PoolObserver, StateCause, StateChange } from "./pool-observer.ts";
import { RingUpdates, type BuildRing } from "./ring-updates.ts";
import { createSnapshot } from "./snapshot.ts";

export interface PoolSettings {
  readonly clock: Clock & Scheduler;
  readonly buildRing: BuildRing;
  /** Undefined: health is not checked, and every endpoint is up until a connection to it fails. */
  readonly checks: Checks | undefined;
  readonly thresholds: HealthThresholds;
  /** How long a draining endpoint keeps its sessions. */
  readonly drainDeadlineMs: number;
  /**
   * How long an endpoint that joins a running pool waits before it is `ready`, so that Envoy knows it when the first session
   * comes: an address that Envoy does not know is silently served elsewhere. 0 where Envoy's membership does not matter.
   */
  readonly joinDelayMs: number;
  readonly observer: PoolObserver;
}

/** Something of an endpoint changed: its state, or with equal `from` and `to` what discovery says of it. */
type Touch = Omit<StateChange, "pool">;

export class Pool {
  readonly name: string;
  readonly #settings: PoolSettings;
  /** By id. One that is gone stays until the ring in use is without it. */
  readonly #members = new Map<EndpointId, Member>();
  readonly #ring: RingUpdates;
  #snapshot: PoolSnapshot;
  /** The ring has caught up with a list at least once. */
  #isRanked = false;
  /** Of the first list, those that no check has decided yet. Undefined before that list. */
  #unanswered: Set<EndpointId> | undefined;
  #isReady = false;
  readonly #ready = Promise.withResolvers<void>();
  #cancelWake: Cancel | undefined;
  #isClosed = false;

  constructor(name: string, settings: PoolSettings) {
    this.name = name;
    this.#settings = settings;
    this.#ring = new RingUpdates({
      buildRing: settings.buildRing,
      wanted: () => this.#ringMembers(),
      changed: ({ members }) => {
        this.#replaceSnapshot();
        settings.observer.ringChanged(name, members.length);
      },
      caughtUp: () => this.#caughtUp(),
      failed: (error) => settings.observer.ringFailed(name, error),
    });
    this.#snapshot = createSnapshot({
      name,
      generation: 0,
      ring: this.#ring.ring,
      members: this.#members,
    });
  }

  get snapshot(): PoolSnapshot {
    return this.#snapshot;
  }

  /** The first list is in and ranked, and each endpoint of it was checked once or has left. Never goes back to false. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Resolves when `isReady` becomes true; never if the pool is closed before. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Resolves when the ring is that of the newest list. */
  ranked(): Promise<void> {
    return this.#ring.idle();
  }

  /** The whole list as discovery has it now; ids are unique. Its ring follows in later turns of the event loop. */
  setMembers(specs: readonly EndpointSpec[]): void {
    if (this.#isClosed) return;
    const nowMs = this.#settings.clock.now();
    const left = this.#dropAllBut(new Set(specs.map(({ id }) => id)), nowMs);
    const joined = specs.flatMap((spec) => this.#list(spec, nowMs));
    const updated = this.#refresh(this.#members.values(), "listed");
    this.#unanswered ??= new Set(this.#settings.checks && specs.map(({ id }) => id));
    this.#publish([...left, ...joined, ...updated]);
    this.#ring.request();
  }

  /** The data path could not connect. It may be wrong about why, so it takes down no more than half of the pool. */
  connectFailed(id: EndpointId): void {
    const member = this.#listed(id);
    if (member === undefined) return;
    const { clock, checks, thresholds } = this.#settings;
    const listed = [...this.#members.values()].filter(({ isGone }) => !isGone);
    const downPassively = listed.filter(({ health }) => health.isDownPassively).length;
    const mayGoDown = downPassively < passiveAllowance(listed.length);
    const recoversAtMs = checks === undefined ? clock.now() + PASSIVE_RECOVERY_MS : Infinity;
    member.setHealth(afterConnectFailure(member.health, { thresholds, mayGoDown }), recoversAtMs);
    this.#publish(this.#refresh([member], "connect_failed"));
    member.check?.sooner();
  }

  /** A 5xx may be one client's bad request: it only brings the next check forward. */
  serverError(id: EndpointId): void {
    this.#listed(id)?.check?.sooner();
  }

  /** The process that was checked is gone: what is there now is checked at once, and that check decides alone. */
  processEnded(id: EndpointId): void {
    const member = this.#listed(id);
    if (member?.check === undefined) return;
    member.setHealth(undecided(member.health));
    member.check.sooner();
  }

  /** Undefined where the endpoint is not listed, or was not checked yet. */
  lastCheck(id: EndpointId): LastCheck | undefined {
    return this.#listed(id)?.lastCheck;
  }

  /** Ends every check and timer; the last snapshot stays readable. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelWake?.();
    for (const member of this.#members.values()) member.check?.stop();
    await this.#ring.close();
  }

  #listed(id: EndpointId): Member | undefined {
    const member = this.#members.get(id);
    return member?.isGone === true ? undefined : member;
  }

  #dropAllBut(listed: ReadonlySet<EndpointId>, nowMs: number): readonly Touch[] {
    const leaving = [...this.#members.values()].filter(
      (member) => !member.isGone && !listed.has(member.spec.id),
    );
    return leaving.map((member) => {
      const from = member.endpoint.state;
      member.leave();
      member.refresh(nowMs);
      this.#unanswered?.delete(member.spec.id);
      return { endpoint: member.endpoint, from, to: "absent", cause: "delisted" };
    });
  }

  #list(spec: EndpointSpec, nowMs: number): readonly Touch[] {
    const known = this.#listed(spec.id);
    if (known !== undefined) {
      const { host, port } = known.spec;
      known.update(spec, nowMs);
      // Another process behind the same id: its sessions wait for the first check to say whether it is well.
      if (host !== spec.host || port !== spec.port) this.#startChecks(known);
      return [];
    }
    const { checks, drainDeadlineMs, joinDelayMs } = this.#settings;
    const joinsAtMs = this.#unanswered === undefined ? nowMs : nowMs + joinDelayMs;
    const health = checks === undefined ? assumedUp : unchecked;
    const member = new Member({ spec, health, joinsAtMs, drainDeadlineMs }, nowMs);
    this.#members.set(spec.id, member);
    this.#startChecks(member);
    const { endpoint } = member;
    return [{ endpoint, from: "absent", to: endpoint.state, cause: "listed" }];
  }

  #startChecks(member: Member): void {
    const { checks } = this.#settings;
    if (checks === undefined) return;
    member.check?.stop();
    member.setHealth(undecided(member.health));
    member.checkBy(checks.watch(member.spec, (failure) => this.#checked(member, failure)));
  }

  #checked(member: Member, failure: CheckFailure): void {
    const { clock, thresholds, observer } = this.#settings;
    const { failures } = member.noteCheck(failure, clock.now());
    const result = failure === undefined ? "passed" : "failed";
    member.setHealth(afterCheck(member.health, result, thresholds));
    this.#publish(this.#refresh([member], "check"));
    if (failure !== undefined && failures === thresholds.failures)
      observer.checksFailed(this.name, member.endpoint, failure);
    this.#unanswered?.delete(member.spec.id);
    this.#noteReady();
  }

  #refresh(members: Iterable<Member>, cause: StateCause): readonly Touch[] {
    const nowMs = this.#settings.clock.now();
    const touches: Touch[] = [];
    for (const member of members) {
      const from = member.endpoint.state;
      if (!member.refresh(nowMs)) continue;
      touches.push({ endpoint: member.endpoint, from, to: member.endpoint.state, cause });
    }
    return touches;
  }

  /** The first list is published even if it is empty: whoever waits for one may act on it. */
  #publish(touches: readonly Touch[]): void {
    if (touches.length === 0 && this.#snapshot.generation > 0) return;
    this.#replaceSnapshot();
    for (const touch of touches) {
      if (touch.from === touch.to) continue;
      this.#settings.observer.stateChanged({ pool: this.name, ...touch });
    }
  }

  #replaceSnapshot(): void {
    const generation = this.#snapshot.generation + 1;
    const { ring } = this.#ring;
    this.#snapshot = createSnapshot({ name: this.name, generation, ring, members: this.#members });
    this.#wakeLater();
    this.#settings.observer.published(this.#snapshot);
  }

  /** One timer for the pool: the earliest instant at which time alone changes the state of an endpoint. */
  #wakeLater(): void {
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    const nowMs = this.#settings.clock.now();
    let wakeMs = Infinity;
    for (const member of this.#members.values()) {
      wakeMs = Math.min(wakeMs, member.nextChangeMs(nowMs));
    }
    if (wakeMs === Infinity || this.#isClosed) return;
    this.#cancelWake = this.#settings.clock.after(wakeMs - nowMs, () => {
      this.#publish(this.#refresh(this.#members.values(), "time"));
      this.#wakeLater();
    });
  }

  #ringMembers(): readonly RingMember[] {
    return [...this.#members.values()]
      .filter(({ isGone, spec }) => !isGone && spec.weight > 0)
      .map(({ spec: { id, weight } }) => ({ id, weight }));
  }

  #caughtUp(): void {
    for (const [id, member] of this.#members) if (member.isGone) this.#members.delete(id);
    this.#wakeLater();
    this.#isRanked = true;
    this.#noteReady();
  }

  #noteReady(): void {
    if (this.#isReady || !this.#isRanked || this.#unanswered?.size !== 0) return;
    this.#isReady = true;
    this.#ready.resolve();
  }
}
