import { describe, expect, it } from "vitest";
import {
  ActiveChecks,
  type ActiveChecksOptions,
} from "../../../src/endpoints/health/active-checks.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";

/** A probe that a test answers by hand, by port. An abort answers with a failure, as a real one does. */
class HandProbe {
  readonly started: number[] = [];
  readonly #answers = new Map<number, (isWell: boolean) => void>();

  readonly probe: ActiveChecksOptions["probe"] = ({ port }, signal) => {
    this.started.push(port);
    return new Promise((resolve) => {
      const answer = (isWell: boolean): void => {
        this.#answers.delete(port);
        resolve(isWell ? undefined : "refused");
      };
      this.#answers.set(port, answer);
      signal.addEventListener("abort", () => answer(false));
    });
  };

  get inFlight(): number {
    return this.#answers.size;
  }

  async answer(port: number, isWell: boolean): Promise<void> {
    this.#answers.get(port)?.(isWell);
    await settle();
  }
}

function openChecks(given: Partial<ActiveChecksOptions> = {}) {
  const clock = new FakeClock();
  const hand = new HandProbe();
  const checks = new ActiveChecks({
    probe: hand.probe,
    intervalMs: 1_000,
    timeoutMs: 500,
    clock,
    random: () => 0.5,
    ...given,
  });
  const results: string[] = [];
  const watch = (port: number) =>
    checks.watch({ host: "10.0.0.1", port }, (failure) => results.push(failure ?? "ok"));
  return { clock, hand, checks, results, watch };
}

describe("active checks", () => {
  it("check a new endpoint at once and report the outcome", async () => {
    const { clock, hand, results, watch } = openChecks();
    watch(1);
    watch(2);
    expect(hand.started).toEqual([1, 2]);
    await hand.answer(2, true);
    await hand.answer(1, false);
    expect(results).toEqual(["ok", "refused"]);
    expect(clock.pendingTimers).toBe(2);
  });

  it.each([
    [0, 900],
    [0.5, 1_000],
    [0.999, 1_099.8],
  ])(
    "begin the next check an interval after the last one began, jitter %d making it %d ms",
    async (random, dueMs) => {
      const { clock, hand, watch } = openChecks({ random: () => random });
      watch(1);
      await clock.advance(400);
      await hand.answer(1, true);
      await clock.advance(dueMs - 400 - 0.5);
      expect(hand.started).toHaveLength(1);
      await clock.advance(0.5);
      expect(hand.started).toHaveLength(2);
    },
  );

  it("give up on an endpoint that does not answer in time, and say how long they waited", async () => {
    const { clock, hand, results, watch } = openChecks();
    watch(1);
    await clock.advance(499);
    expect(results).toEqual([]);
    await clock.advance(1);
    expect([results, hand.inFlight]).toEqual([["timeout 500 ms"], 0]);
    await clock.advance(500);
    expect(hand.started).toHaveLength(2);
  });

  it("can be brought forward, at most once per second, beside the regular ones", async () => {
    const { clock, hand, watch } = openChecks({ intervalMs: 10_000 });
    const check = watch(1);
    await hand.answer(1, true);
    check.sooner();
    await hand.answer(1, true);
    check.sooner();
    await clock.advance(999);
    check.sooner();
    expect(hand.started).toHaveLength(2);
    await clock.advance(1);
    check.sooner();
    expect(hand.started).toHaveLength(3);
    await hand.answer(1, true);
    await clock.advance(9_999);
    expect(hand.started).toHaveLength(3);
    await clock.advance(1);
    expect(hand.started).toHaveLength(4);
  });

  it("never run twice at once for one endpoint", async () => {
    const { hand, watch } = openChecks();
    const check = watch(1);
    check.sooner();
    expect(hand.started).toEqual([1]);
    await hand.answer(1, true);
    check.sooner();
    expect(hand.started).toEqual([1, 1]);
  });

  it("report nothing of an endpoint that was removed while its check was in flight", async () => {
    const { clock, hand, results, watch } = openChecks();
    const check = watch(1);
    check.stop();
    await settle();
    check.stop();
    check.sooner();
    await clock.advance(5_000);
    expect(results).toEqual([]);
    expect([hand.started.length, hand.inFlight, clock.pendingTimers]).toEqual([1, 0, 0]);
  });

  it("go on for the others when one is stopped from within its own report", async () => {
    const { clock, hand, checks } = openChecks();
    const check = checks.watch({ host: "10.0.0.1", port: 1 }, () => check.stop());
    checks.watch({ host: "10.0.0.1", port: 2 }, () => undefined);
    await hand.answer(1, true);
    await hand.answer(2, true);
    await clock.advance(1_000);
    expect(hand.started).toEqual([1, 2, 2]);
  });

  it("keep 256 in flight and let the others wait their turn", async () => {
    const { hand, results, watch } = openChecks();
    const checks = Array.from({ length: 300 }, (_, index) => watch(index));
    expect(hand.inFlight).toBe(256);
    checks[256]?.stop();
    await hand.answer(0, true);
    expect(hand.started.slice(256)).toEqual([257]);
    await hand.answer(7, true);
    expect(hand.started.slice(256)).toEqual([257, 258]);
    expect([hand.inFlight, results.length]).toEqual([256, 2]);
  });

  it("end with everything in flight cut off and no timer left, also when closed twice", async () => {
    const { clock, hand, checks, results, watch } = openChecks();
    for (let port = 0; port < 300; port++) watch(port);
    await hand.answer(1, true);
    await checks.close();
    await checks.close();
    await clock.advance(5_000);
    expect([hand.inFlight, clock.pendingTimers, results.length]).toEqual([0, 0, 1]);
  });
});
