/** The end of the service, while turns are in every state that they can be in. */
import { afterEach, expect, it } from "vitest";

import type { Verdict } from "../../../src/kv/catalog.ts";
import { DURABLE } from "../../support/kv-desk.ts";
import { PathBench, SERVED } from "../../support/path-bench.ts";
import { session } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";

const benches = new Benches(CATALOGS[0]);
afterEach(async () => expect(await benches.close()).toEqual([]));

async function open(): Promise<PathBench> {
  return new PathBench(await benches.open());
}

it("lets a turn that waits for another one go on at once when the service drains", async () => {
  const path = await open();
  await path.turn("one ", "two ");
  await path.begin("one two t");
  const waiting = path.begin("one two three ");
  await path.idle();
  path.bench.desk.drain();
  expect((await waiting).status).toBe("busy");
});

it("aborts what is still open when the exchanges are gone, also what was being planned", async () => {
  const path = await open();
  await path.begin("one ");
  const begins = path.begin("two ", { session: session("b") });
  const closed = path.pool.close();
  const begun = await begins;
  await closed;
  expect(path.seen.toSorted()).toEqual([
    "injected 0/4",
    "injected 0/4",
    "unanswered",
    "unanswered",
  ]);
  expect(path.engines.closed).toHaveLength(4);
  for (const id of ["a", "b"]) {
    expect((await path.bench.catalog.session(session(id)))?.turns).toEqual([]);
  }
  begun.turn.abandon();
  expect(path.seen).toHaveLength(4);
});

it("waits until what was committed is settled, and closes the engine's session before it is closed itself", async () => {
  const path = await open();
  const verdict = Promise.withResolvers<Verdict>();
  path.bench.verifier.verdict = () => verdict.promise;
  const begun = await path.begin("one ");
  begun.turn.answer(SERVED)?.push(await path.answerTo(begun, "two "), true);
  let isClosed = false;
  const closed = path.pool.close().then(() => (isClosed = true));
  await path.idle();
  expect(isClosed).toBe(false);
  verdict.resolve(DURABLE);
  await closed;
  expect(path.engines.closed).toHaveLength(1);
  expect(await path.bench.catalog.segments(session("a"))).toHaveLength(1);
});
