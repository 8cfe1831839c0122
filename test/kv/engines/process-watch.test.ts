/** What a watch does about servers that close connections after so many questions; all else of it is tested with the engines that it watches. */
import { beforeEach, describe, expect, it } from "vitest";
import {
  ASK_INTERVAL_MS,
  CHANGE_TIMEOUT_MS,
  ProcessWatch,
} from "../../../src/kv/engines/process-watch.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { fakeEngineConnections } from "../../support/fake-engine-connections.ts";

const QUESTIONS_PER_CONNECTION = 3;

let clock: FakeClock;
let connections: ReturnType<typeof fakeEngineConnections>;
let told: string[];

/** A state is a text that an introduction gives. */
beforeEach(async () => {
  clock = new FakeClock();
  connections = fakeEngineConnections();
  told = [];
  const watch = new ProcessWatch<string>({
    target: { host: "10.0.0.1", port: 1 },
    unknown: "unknown",
    questions: {
      first: (round) => ({ path: `/${round}` }),
      answered: ({ text }, state) => ({ kind: "found", state: text || state, why: undefined }),
    },
    questionsPerConnection: QUESTIONS_PER_CONNECTION,
    startDelayMs: 0,
    open: connections.open,
    scheduler: clock,
    random: () => 0.5,
    events: {
      stateChanged: (from, to, why) => told.push(`${from} -> ${to}: ${why ?? ""}`),
      unanswered: (why) => told.push(`unanswered: ${why}`),
    },
  });
  expect(watch.state).toBe("unknown");
  await clock.advance(0);
});

/** Until the connection has had its last question, which is answered, and the next one is asked. */
async function untilWorn(): Promise<void> {
  connections.latest().answerText("one");
  await clock.advance(ASK_INTERVAL_MS);
  for (let question = 1; question < QUESTIONS_PER_CONNECTION; question++) {
    connections.latest().answerText("");
    await clock.advance(ASK_INTERVAL_MS);
  }
}

describe("a connection that had its questions", () => {
  it("is followed by another one, which it is kept open for until that has answered", async () => {
    await untilWorn();
    const [old, next] = connections.opened;

    expect(connections.opened).toHaveLength(2);
    expect(old?.isClosed).toBe(false);
    expect(next?.asked).toEqual(["/introduction"]);
    next?.answerText("one");
    expect([old?.isClosed, next?.isClosed]).toEqual([true, false]);
    expect(told).toEqual(["unknown -> one: "]);
  });

  it("shows by its end that its process is gone", async () => {
    await untilWorn();
    const [old, next] = connections.opened;
    old?.lose("closed by the engine");

    expect(told).toEqual(["unknown -> one: ", "one -> unknown: closed by the engine"]);
    expect([old?.isClosed, next?.isClosed]).toEqual([true, true]);
    expect(clock.pendingTimers).toBe(1);
  });

  it.each(["is refused", "does not answer"])("goes on where the next one %s", async (how) => {
    await untilWorn();
    const [old, next] = connections.opened;
    if (how === "is refused") next?.lose("ECONNREFUSED");
    else await clock.advance(CHANGE_TIMEOUT_MS);

    expect([old?.isClosed, next?.isClosed]).toEqual([false, true]);
    expect(old?.asked).toEqual(["/presence"]);
    old?.answerText("");
    await clock.advance(ASK_INTERVAL_MS);
    expect(connections.opened).toHaveLength(3);
    connections.latest().answerText("one");
    expect(old?.isClosed).toBe(true);
    expect(told).toEqual(["unknown -> one: "]);
  });

  it("is not followed before it had them", async () => {
    connections.latest().answerText("one");
    await clock.advance(ASK_INTERVAL_MS);
    connections.latest().answerText("");
    await clock.advance(ASK_INTERVAL_MS);

    expect(connections.opened).toHaveLength(1);
    expect(connections.latest().asked).toEqual(["/presence"]);
  });
});
