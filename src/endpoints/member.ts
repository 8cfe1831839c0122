/**
 * One endpoint as its pool keeps it: what discovery says, what health says, and the instants at which time alone changes its
 * state. Reads no clock and holds no timer: the pool tells it the time and asks when to come back.
 */
import { formatAddress, type Endpoint, type EndpointSpec, type EndpointState } from "./endpoint.ts";
import type { Check, CheckFailure } from "./health/active-checks.ts";
import { assumedUp, type Health } from "./health/health.ts";

/** The newest active check of an endpoint. */
export interface LastCheck {
  readonly failure: CheckFailure;
  readonly atMs: number;
  /** Failed checks in a row, this one included; 0 after one that passed. */
  readonly failures: number;
}

export interface MemberOptions {
  readonly spec: EndpointSpec;
  readonly health: Health;
  /** Not `ready` before this instant. */
  readonly joinsAtMs: number;
  /** From the first sight of the drain flag until its sessions must be gone. */
  readonly drainDeadlineMs: number;
}

export class Member {
  readonly #joinsAtMs: number;
  readonly #drainDeadlineMs: number;
  #spec: EndpointSpec;
  #health: Health;
  /** Infinity: not asked to drain. */
  #drainEndsAtMs = Infinity;
  /** When it is tried again although nobody checks it. Infinity: it is up, or active checks will say. */
  #recoversAtMs = Infinity;
  /** As last published; replaced when the spec or the state changes, and kept otherwise. */
  #endpoint: Endpoint;
  /** Delisted, and kept only because the ring in use still has its position. Serves nobody. */
  #isGone = false;
  /** Its active checks; none where health is not checked. */
  #check: Check | undefined;
  /** None yet of the process at its present address. */
  #lastCheck: LastCheck | undefined;

  constructor({ spec, health, joinsAtMs, drainDeadlineMs }: MemberOptions, nowMs: number) {
    this.#spec = spec;
    this.#health = health;
    this.#joinsAtMs = joinsAtMs;
    this.#drainDeadlineMs = drainDeadlineMs;
    this.#noteDrain(nowMs);
    this.#endpoint = createEndpoint(spec, this.#stateAt(nowMs));
  }

  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  get spec(): EndpointSpec {
    return this.#spec;
  }

  get health(): Health {
    return this.#health;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  get check(): Check | undefined {
    return this.#check;
  }

  get lastCheck(): LastCheck | undefined {
    return this.#lastCheck;
  }

  /** Another process is to be checked: what is known of the one before says nothing of it. */
  checkBy(check: Check): void {
    this.#check = check;
    this.#lastCheck = undefined;
  }

  noteCheck(failure: CheckFailure, atMs: number): LastCheck {
    const failures = failure === undefined ? 0 : (this.#lastCheck?.failures ?? 0) + 1;
    this.#lastCheck = { failure, atMs, failures };
    return this.#lastCheck;
  }

  /** Takes what the newer list says of it; the id is the same. */
  update(spec: EndpointSpec, nowMs: number): void {
    this.#spec = spec;
    this.#noteDrain(nowMs);
  }

  setHealth(health: Health, recoversAtMs = Infinity): void {
    this.#health = health;
    this.#recoversAtMs = health.isUp ? Infinity : recoversAtMs;
  }

  leave(): void {
    this.#isGone = true;
    this.#check?.stop();
  }

  /** Brings `endpoint` up to date. Returns whether it was not. */
  refresh(nowMs: number): boolean {
    if (nowMs >= this.#recoversAtMs) this.setHealth(assumedUp);
    const state = this.#stateAt(nowMs);
    const isCurrent = state === this.#endpoint.state && isSameSpec(this.#spec, this.#endpoint);
    if (!isCurrent) this.#endpoint = createEndpoint(this.#spec, state);
    return !isCurrent;
  }

  /** The next instant after `nowMs` at which `refresh` may find a change by time alone; Infinity if there is none. */
  nextChangeMs(nowMs: number): number {
    const instants = [this.#joinsAtMs, this.#drainEndsAtMs, this.#recoversAtMs];
    return Math.min(...instants.filter((instant) => instant > nowMs));
  }

  #stateAt(nowMs: number): EndpointState {
    const isAway = this.#isGone || !this.#health.isUp;
    if (isAway || nowMs < this.#joinsAtMs || nowMs >= this.#drainEndsAtMs) return "down";
    return this.#spec.isDraining ? "draining" : "ready";
  }

  /** The deadline counts from the first sight of the flag; taking the flag back and setting it again starts it anew. */
  #noteDrain(nowMs: number): void {
    if (!this.#spec.isDraining) this.#drainEndsAtMs = Infinity;
    else if (this.#drainEndsAtMs === Infinity) this.#drainEndsAtMs = nowMs + this.#drainDeadlineMs;
  }
}

function createEndpoint(spec: EndpointSpec, state: EndpointState): Endpoint {
  return { ...spec, address: formatAddress(spec.host, spec.port), state };
}

/** Compared by value: every reading of a list makes new objects. */
export function isSameSpec(a: EndpointSpec, b: EndpointSpec): boolean {
  const labels = Object.entries(a.labels);
  return (
    a.id === b.id &&
    a.host === b.host &&
    a.port === b.port &&
    a.weight === b.weight &&
    a.isDraining === b.isDraining &&
    labels.length === Object.keys(b.labels).length &&
    labels.every(([key, label]) => b.labels[key] === label)
  );
}
