import { expect, it } from "vitest";

import { SessionQueue } from "../../../src/kv/turns/session-queue.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { session } from "../../support/turn-bench.ts";

it("wakes all that wait for one session, and nobody else", async () => {
  const queue = new SessionQueue(new FakeClock(), 10);
  const woken: string[] = [];
  for (const name of ["a", "a", "b", "t/a"]) {
    void queue.wait(session(name), 1_000).then(() => woken.push(name));
  }
  queue.wake(session("a"));
  await settle();
  expect(woken).toEqual(["a", "a"]);
});

it("lets as many wait as its limit, and one more when one has gone", async () => {
  const clock = new FakeClock();
  const queue = new SessionQueue(clock, 1);
  const first = queue.wait(session("a"), 10);
  expect(await queue.wait(session("b"), 10)).toBe(false);
  await clock.advance(10);
  expect(await first).toBe(true);
  void queue.wait(session("b"), 10);
  expect(clock.pendingTimers).toBe(1);
});
