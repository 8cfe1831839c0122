import { beforeEach, describe, expect, it } from "vitest";
import { EngineWatch } from "../../../src/kv/engines/engine-watch.ts";
import {
  ANSWER_TIMEOUT_MS,
  ASK_INTERVAL_MS,
  QUESTIONS_PER_INTRODUCTION,
  RETRY_MS,
} from "../../../src/kv/engines/process-watch.ts";
import type { EngineState } from "../../../src/kv/path/engine-directory.ts";
import { PROFILE } from "../../support/engine-info.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { fakeEngineConnections } from "../../support/fake-engine-connections.ts";

let clock: FakeClock;
let connections: ReturnType<typeof fakeEngineConnections>;
let told: string[];
let watch: EngineWatch;

const nameOf = (state: EngineState) => (state.kind === "ready" ? state.instance : state.reason);

/** `random` of 0.5 is no jitter at all between questions, and a quarter less between connections. */
function start({ startDelayMs = 0, random = 0.5 } = {}): EngineWatch {
  let instances = 0;
  return new EngineWatch({
    target: { host: "10.0.0.1", port: 1 },
    profile: PROFILE,
    dialect: "sglang-explicit",
    probes: [],
    startDelayMs,
    open: connections.open,
    scheduler: clock,
    random: () => random,
    newInstance: () => `instance-${++instances}`,
    events: {
      stateChanged: (from, to, why) => told.push(`${nameOf(from)} -> ${nameOf(to)}: ${why ?? ""}`),
      unanswered: (why) => told.push(`unanswered: ${why}`),
      tested: ({ result }) => told.push(`tokenizer ${result}`),
    },
  });
}

beforeEach(async () => {
  clock = new FakeClock();
  connections = fakeEngineConnections();
  told = [];
  watch = start();
  await clock.advance(0);
});

/** Lets it have as many answers as these, one interval after the other. */
async function answers(count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    connections.latest().answer();
    await clock.advance(ASK_INTERVAL_MS);
  }
}

describe("an engine", () => {
  it("is unknown until it has said what it is, and then ready", () => {
    expect(nameOf(watch.state)).toBe("engine_unknown");
    expect(connections.latest().asked).toEqual(["/get_server_info"]);
    connections.latest().answer();
    expect(nameOf(watch.state)).toBe("instance-1");
    expect(told).toEqual(["engine_unknown -> instance-1: "]);
  });

  it("is asked for its health once a second on the same connection, and stays what it is", async () => {
    connections.latest().answer();
    await clock.advance(ASK_INTERVAL_MS - 1);
    expect(connections.latest().asked).toEqual([]);
    await clock.advance(1);
    expect(connections.latest().asked).toEqual(["/health"]);
    await answers(5);
    expect(connections.opened).toHaveLength(1);
    expect(nameOf(watch.state)).toBe("instance-1");
  });

  it("says again what it is with every tenth question", async () => {
    const asked: string[] = [];
    for (let at = 0; at <= QUESTIONS_PER_INTRODUCTION; at++) {
      asked.push(...connections.latest().asked);
      await answers(1);
    }
    const health = Array.from({ length: QUESTIONS_PER_INTRODUCTION - 1 }, () => "/health");
    expect(asked).toEqual(["/get_server_info", ...health, "/get_server_info"]);
    expect(told).toEqual(["engine_unknown -> instance-1: "]);
  });

  it("is a mismatch while it says something else than the profile", async () => {
    connections.latest().answer({ tp_size: 1, page_size: 1 });
    expect(told).toEqual([
      "engine_unknown -> engine_mismatch: tp_size 1, not 2; page_size 1, not 16",
    ]);
    await clock.advance(ASK_INTERVAL_MS);
    expect(connections.latest().asked).toEqual(["/health"]);
  });

  it("whose weights are changed is a mismatch, and another instance when they are changed back", async () => {
    await answers(QUESTIONS_PER_INTRODUCTION);
    connections.latest().answer({ weight_version: "w2" });
    expect(nameOf(watch.state)).toBe("engine_mismatch");
    await clock.advance(ASK_INTERVAL_MS);
    await answers(QUESTIONS_PER_INTRODUCTION);
    expect(nameOf(watch.state)).toBe("instance-2");
  });

  it("that would load to a wrong place of its own cache has no KV while it says so", async () => {
    connections.latest().answer({ enable_hierarchical_cache: false });
    connections.latest().lose("ECONNRESET");
    await clock.advance(RETRY_MS.first);
    connections.latest().answer();
    expect(told).toEqual([
      "engine_unknown -> engine_misplaces: ",
      "engine_misplaces -> engine_unknown: ECONNRESET",
      "engine_unknown -> instance-1: ",
    ]);
  });

  it("that differs from the profile besides is told with that", () => {
    connections.latest().answer({ enable_hierarchical_cache: false, tp_size: 1 });
    expect(told).toEqual(["engine_unknown -> engine_mismatch: tp_size 1, not 2"]);
  });

  it("is ready with how long a prompt it takes, where it says so", async () => {
    connections.latest().answer();
    expect(watch.state).toMatchObject({ kind: "ready", maxPromptTokens: undefined });
    connections.latest().lose("ECONNRESET");
    await clock.advance(RETRY_MS.first);
    connections.latest().answer({ max_req_input_len: 100 });
    expect(watch.state).toMatchObject({ kind: "ready", maxPromptTokens: 100 });
  });

  it("that miscounted is off until its connection is another", async () => {
    await answers(1);
    watch.miscounted();
    watch.miscounted();
    await answers(2 * QUESTIONS_PER_INTRODUCTION);
    expect(told.slice(1)).toEqual(["instance-1 -> engine_miscounted: "]);
    connections.latest().lose("ECONNRESET");
    await clock.advance(RETRY_MS.first);
    connections.latest().answer();
    expect(nameOf(watch.state)).toBe("instance-2");
  });

  it("that miscounted stays off whatever it says of itself meanwhile", async () => {
    await answers(QUESTIONS_PER_INTRODUCTION);
    watch.miscounted();
    connections.latest().answer({ weight_version: "w2" });
    await clock.advance(ASK_INTERVAL_MS);
    await answers(QUESTIONS_PER_INTRODUCTION);
    expect(nameOf(watch.state)).toBe("engine_miscounted");
  });

  it("that encodes answers is off until its connection is another, whatever it says", async () => {
    await answers(1);
    watch.encoded();
    watch.encoded();
    await answers(2 * QUESTIONS_PER_INTRODUCTION);
    expect(told.slice(1)).toEqual(["instance-1 -> engine_encodes: "]);
    connections.latest().lose("ECONNRESET");
    await clock.advance(RETRY_MS.first);
    connections.latest().answer();
    expect(nameOf(watch.state)).toBe("instance-2");
  });

  it("of which an answer has other weights is off until it says what it is", async () => {
    await answers(1);
    watch.hasOtherWeights('weight_version "w2", not w1');
    await answers(QUESTIONS_PER_INTRODUCTION - 1);
    expect(nameOf(watch.state)).toBe("engine_mismatch");
    connections.latest().answer();
    expect(told.slice(1)).toEqual([
      'instance-1 -> engine_mismatch: weight_version "w2", not w1',
      "engine_mismatch -> instance-2: ",
    ]);
  });

  it("tells whether its streams tell their usage unasked", () => {
    connections.latest().answer({ stream_response_default_include_usage: true });
    expect(watch.state).toMatchObject({ kind: "ready", tellsUsage: true });
  });

  it("that is not ready cannot miscount", () => {
    watch.miscounted();
    expect(nameOf(watch.state)).toBe("engine_unknown");
    connections.latest().answer({ tp_size: 1 });
    watch.miscounted();
    expect(nameOf(watch.state)).toBe("engine_mismatch");
  });
});

describe("a connection that is lost", () => {
  it("makes the engine unknown at once, and the next one another instance", async () => {
    await answers(3);
    connections.latest().lose("ECONNRESET");
    expect(nameOf(watch.state)).toBe("engine_unknown");
    await clock.advance(RETRY_MS.first * 0.75);
    expect(connections.latest().asked).toEqual(["/get_server_info"]);
    connections.latest().answer();
    expect(told).toEqual([
      "engine_unknown -> instance-1: ",
      "instance-1 -> engine_unknown: ECONNRESET",
      "engine_unknown -> instance-2: ",
    ]);
  });

  it.each([
    { status: 503, text: "{}", why: "503 from GET /get_server_info" },
    { status: 302, text: "{}", why: "302 from GET /get_server_info" },
    { status: 200, text: "<html>", why: "no JSON object from GET /get_server_info" },
  ])("is what ends with $why", ({ status, text, why }) => {
    const connection = connections.latest();
    connection.answerText(text, status);
    expect(told).toEqual([`unanswered: ${why}`]);
    expect(connection.isClosed).toBe(true);
  });

  it("is what ends with bad health", async () => {
    await answers(1);
    connections.latest().answerText("", 503);
    expect(told.at(-1)).toBe("instance-1 -> engine_unknown: 503 from GET /health");
  });

  it("does not matter what health says besides its status", async () => {
    await answers(1);
    connections.latest().answerText("<html>");
    expect(nameOf(watch.state)).toBe("instance-1");
  });

  it("is one without an answer in time, which a slow engine has", async () => {
    await answers(1);
    await clock.advance(ANSWER_TIMEOUT_MS - 1);
    expect(nameOf(watch.state)).toBe("instance-1");
    connections.latest().answer();
    await clock.advance(ASK_INTERVAL_MS + ANSWER_TIMEOUT_MS);
    expect(told.at(-1)).toBe("instance-1 -> engine_unknown: no answer in 30000 ms");
    expect(connections.latest().isClosed).toBe(true);
  });

  it("is told once until the engine has said what it is", async () => {
    for (let at = 0; at < 3; at++) {
      connections.latest().lose("ECONNREFUSED");
      await clock.advance(RETRY_MS.last);
    }
    connections.latest().answer();
    connections.latest().lose("ECONNRESET");
    await clock.advance(RETRY_MS.last);
    connections.latest().lose("ECONNREFUSED");
    expect(told).toEqual([
      "unanswered: ECONNREFUSED",
      "engine_unknown -> instance-1: ",
      "instance-1 -> engine_unknown: ECONNRESET",
    ]);
  });
});

describe("the next connection", () => {
  /** The times between the loss of one connection and the opening of the next. */
  async function delays(count: number, random: number): Promise<number[]> {
    watch.close();
    watch = start({ random });
    await clock.advance(0);
    const all: number[] = [];
    for (let at = 0; at < count; at++) {
      connections.latest().lose("ECONNREFUSED");
      const lostMs = clock.now();
      const opened = connections.opened.length;
      while (connections.opened.length === opened) await clock.advance(25);
      all.push(clock.now() - lostMs);
    }
    return all;
  }

  it("comes later each time, up to a limit", async () => {
    expect(await delays(8, 1)).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  it("comes up to half sooner by chance", async () => {
    expect(await delays(8, 0)).toEqual([125, 250, 500, 1000, 2000, 4000, 5000, 5000]);
  });

  it("is not sooner where an engine keeps connections only until the second question", async () => {
    for (let at = 0; at < 10; at++) {
      connections.latest().answer();
      connections.latest().lose("closed by the engine");
      await clock.advance(RETRY_MS.last);
    }
    const opened = connections.opened.length;
    connections.latest().lose("closed by the engine");
    await clock.advance(RETRY_MS.last / 2);
    expect(connections.opened).toHaveLength(opened);
  });

  it("comes soon again where the one before had a second answer", async () => {
    for (let at = 0; at < 10; at++) {
      connections.latest().lose("ECONNREFUSED");
      await clock.advance(RETRY_MS.last);
    }
    await answers(2);
    connections.latest().lose("ECONNRESET");
    const opened = connections.opened.length;
    await clock.advance(RETRY_MS.first);
    expect(connections.opened).toHaveLength(opened + 1);
  });
});

describe("a watch", () => {
  it("has one timer at most, and none once it is closed", async () => {
    await answers(3);
    expect(clock.pendingTimers).toBe(1);
    connections.latest().answer();
    expect(clock.pendingTimers).toBe(1);
    connections.latest().lose("ECONNRESET");
    expect(clock.pendingTimers).toBe(1);
    watch.close();
    watch.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it("closes its connection, whatever is being asked", async () => {
    await answers(1);
    watch.close();
    expect(connections.latest().isClosed).toBe(true);
    await clock.advance(ANSWER_TIMEOUT_MS + RETRY_MS.last);
    expect(connections.opened).toHaveLength(1);
  });

  it("begins when it is told to, and asks at its own pace", async () => {
    watch.close();
    watch = start({ startDelayMs: 700, random: 1 });
    await clock.advance(699);
    expect(connections.opened).toHaveLength(1);
    await clock.advance(1);
    connections.latest().answer();
    await clock.advance(ASK_INTERVAL_MS * 1.1 - 1);
    expect(connections.latest().asked).toEqual([]);
    await clock.advance(1);
    expect(connections.latest().asked).toEqual(["/health"]);
  });
});
