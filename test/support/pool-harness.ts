import type { RingMember, Ring } from "../../src/affinity/ring.ts";
import type { PoolSnapshot } from "../../src/affinity/pool-snapshot.ts";
import type { EndpointId, EndpointSpec, EndpointState } from "../../src/endpoints/endpoint.ts";
import { formatAddress } from "../../src/endpoints/endpoint.ts";
import type {
  Check,
  CheckFailure,
  Checks,
  CheckTarget,
} from "../../src/endpoints/health/active-checks.ts";
import type { CheckResult } from "../../src/endpoints/health/health.ts";
import { Pool, type PoolSettings } from "../../src/endpoints/pool.ts";
import type { PoolObserver } from "../../src/endpoints/pool-observer.ts";
import { FakeClock, settle } from "./fake-clock.ts";
import { plainRing } from "./plain-ring.ts";

/** Endpoint `a` has the address 10.0.0.1:8000, `b` 10.0.0.2:8000 and so on. */
export function specOf(id: string, given: Partial<EndpointSpec> = {}): EndpointSpec {
  const host = `10.0.0.${id.charCodeAt(0) - 96}`;
  const spec = { host, port: 8000, weight: 1, labels: {}, isDraining: false, ...given };
  return { ...spec, id: id as EndpointId };
}

/** Checks that a test answers by hand; one that fails got a 503. */
export class HandChecks implements Checks {
  /** By address: checks that go on. */
  readonly running = new Map<string, (failure: CheckFailure) => void>();
  /** Addresses, once for each call of `sooner`. */
  readonly broughtForward: string[] = [];

  watch({ host, port }: CheckTarget, report: (failure: CheckFailure) => void): Check {
    const address = formatAddress(host, port);
    this.running.set(address, report);
    return {
      sooner: () => void this.broughtForward.push(address),
      stop: () => void this.running.delete(address),
    };
  }

  /** Answers the checks of these addresses, in this order. */
  answer(result: CheckResult, ...addresses: readonly string[]): void {
    for (const address of addresses) {
      const report = this.running.get(address);
      if (report === undefined) throw new Error(`${address} is not checked`);
      report(result === "passed" ? undefined : "503 from GET /health");
    }
  }

  answerAll(result: CheckResult): void {
    this.answer(result, ...this.running.keys());
  }
}

/** One step before each ring, so that a ring is never there at once. */
export function* buildPlainRing(
  previous: Ring | undefined,
  members: readonly RingMember[],
): Generator<undefined, Ring> {
  const ring = plainRing(members);
  yield undefined;
  return previous !== undefined && describeMembers(previous) === describeMembers(ring)
    ? previous
    : ring;
}

function describeMembers({ members }: Ring): string {
  return members.map(({ id, weight }) => `${id}=${weight}`).join();
}

/** Writes down what a pool tells: `default a ready->down check`, `default ring of 3`. */
export class PoolLog implements PoolObserver {
  readonly lines: string[] = [];
  readonly snapshots: PoolSnapshot[] = [];

  stateChanged: PoolObserver["stateChanged"] = ({ pool, endpoint, from, to, cause }) => {
    this.lines.push(`${pool} ${endpoint.id} ${from}->${to} ${cause}`);
  };
  checksFailed: PoolObserver["checksFailed"] = (pool, { id }, failure) => {
    this.lines.push(`${pool} ${id} fails: ${failure}`);
  };
  published: PoolObserver["published"] = (snapshot) => {
    this.snapshots.push(snapshot);
  };
  ringChanged: PoolObserver["ringChanged"] = (pool, members) => {
    this.lines.push(`${pool} ring of ${members}`);
  };
  ringFailed: PoolObserver["ringFailed"] = (pool, error) => {
    this.lines.push(`${pool} ring failed: ${error.message}`);
  };

  /** What was told since the last call. */
  take(): readonly string[] {
    return this.lines.splice(0);
  }
}

export interface PoolHarness {
  readonly pool: Pool;
  readonly clock: FakeClock;
  readonly checks: HandChecks;
  readonly log: PoolLog;
}

/** A pool "default" with thresholds of 2 and 2, a drain deadline of 10 minutes and no delay for those that join. */
export function openPool(given: Partial<PoolSettings> = {}): PoolHarness {
  const clock = new FakeClock();
  const checks = new HandChecks();
  const log = new PoolLog();
  const settings: PoolSettings = {
    clock,
    buildRing: buildPlainRing,
    checks,
    thresholds: { failures: 2, successes: 2 },
    drainDeadlineMs: 600_000,
    joinDelayMs: 0,
    observer: log,
    ...given,
  };
  return { pool: new Pool("default", settings), clock, checks, log };
}

/** A pool whose endpoints are all on the ring and `ready`. */
export async function openReadyPool(
  ids: string,
  given: Partial<PoolSettings> = {},
): Promise<PoolHarness> {
  const harness = openPool(given);
  harness.pool.setMembers(ids.split("").map((id) => specOf(id)));
  harness.checks.answerAll("passed");
  await harness.pool.ranked();
  await settle();
  harness.log.take();
  return harness;
}

/** `a ready, b down`, in the order of the snapshot. */
export function describeStates({ snapshot }: Pool): string {
  return snapshot.endpoints.map(({ id, state }) => `${id} ${state}`).join(", ");
}

export function stateOf({ snapshot }: Pool, id: string): EndpointState | undefined {
  return snapshot.byId.get(id as EndpointId)?.state;
}
