import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../../src/endpoints/endpoint.ts";
import type { EngineChange, EngineObserver } from "../../../src/kv/engines/engine-observer.ts";
import { ASK_INTERVAL_MS } from "../../../src/kv/engines/process-watch.ts";
import { WatchedEngines } from "../../../src/kv/engines/watched-engines.ts";
import type { EngineState } from "../../../src/kv/path/engine-directory.ts";
import { endpointAt } from "../../support/engine-endpoints.ts";
import { PROFILE } from "../../support/engine-info.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { fakeEngineConnections } from "../../support/fake-engine-connections.ts";

const nameOf = (state: EngineState) => (state.kind === "ready" ? state.instance : state.reason);

function start({ random = (): number => 0.5 } = {}) {
  const clock = new FakeClock();
  const connections = fakeEngineConnections();
  const closed: string[] = [];
  const changes: EngineChange[] = [];
  const unanswered: string[] = [];
  const tested: string[] = [];
  let instances = 0;
  const observer: EngineObserver = {
    stateChanged: (change) => changes.push(change),
    tokenizerTested: ({ pool, result }) => tested.push(`${pool} ${result}`),
    unanswered: ({ pool, address, why }) => unanswered.push(`${pool} ${address} ${why}`),
    sessionClosed: () => {},
  };
  const engines = new WatchedEngines({
    pools: new Map([
      ["a", { profile: PROFILE, dialect: "sglang-session" }],
      ["b", { profile: { ...PROFILE, pageSize: 1 }, dialect: "sglang-explicit" }],
    ]),
    probes: new Map([["b", [PROBE]]]),
    open: connections.open,
    closeSession: ({ host }, session) => {
      closed.push(`${host} ${session}`);
      return Promise.resolve(true);
    },
    scheduler: clock,
    random,
    newInstance: () => `instance-${++instances}`,
    observer,
  });
  const publish = (name: string, ...endpoints: Endpoint[]) =>
    engines.published({ name, endpoints });
  const state = (endpoint: Endpoint, pool = "a") => nameOf(engines.engine(pool, endpoint));
  return { clock, connections, closed, changes, unanswered, tested, engines, publish, state };
}

const PROBE = { name: "text", request: '{"prompt":"ab"}', ids: Uint32Array.of(7, 8) };

const [one, two] = [endpointAt("10.0.0.1", 1), endpointAt("10.0.0.2", 1)];

describe("the engines of a pool", () => {
  it("are each of its members, whatever their health", async () => {
    const { clock, connections, publish, state } = start();
    publish("a", one, { ...two, state: "down" });
    await clock.advance(ASK_INTERVAL_MS);
    for (const connection of connections.opened) connection.answer();
    expect([state(one), state(two)]).toEqual(["instance-1", "instance-2"]);
    expect(state(endpointAt("10.0.0.3", 1))).toBe("engine_unknown");
  });

  it("are compared with the profile of their own pool", async () => {
    const { clock, connections, publish, state, changes } = start();
    publish("a", one);
    publish("b", one);
    await clock.advance(ASK_INTERVAL_MS);
    for (const connection of connections.opened) connection.answer();
    expect([state(one), state(one, "b")]).toEqual(["instance-1", "engine_mismatch"]);
    expect(changes.at(-1)).toEqual({
      pool: "b",
      address: "10.0.0.1:1",
      from: "engine_unknown",
      to: "engine_mismatch",
      why: "page_size 16, not 1",
    });
  });

  it("have their tokenizers tested by the probes of their own pool", async () => {
    const { clock, connections, publish, state, changes, tested } = start();
    publish("a", one);
    publish("b", two);
    await clock.advance(ASK_INTERVAL_MS);
    for (const connection of connections.opened) connection.answer({ page_size: 1 });
    expect(connections.latest().sent).toEqual([PROBE.request]);
    connections.latest().answerText('{"tokens":[7,9]}');
    expect(tested).toEqual(["b mismatch"]);
    expect([state(one), state(two, "b")]).toEqual(["engine_mismatch", "tokenizer_mismatch"]);
    expect(changes.at(-1)).toMatchObject({
      pool: "b",
      to: "tokenizer_mismatch",
      why: "probe 0 (text) at token 1: 9, not 8",
    });
  });

  it("are asked where they load to as the dialect of their own pool does", async () => {
    const { clock, connections, publish, state } = start();
    publish("a", one);
    publish("b", two);
    await clock.advance(ASK_INTERVAL_MS);
    const said = { enable_hierarchical_cache: false };
    connections.opened[0]?.answer(said);
    connections.opened[1]?.answer({ ...said, page_size: 1 });
    expect([state(one), state(two, "b")]).toEqual(["instance-1", "engine_misplaces"]);
  });

  it("are not watched where the pool's turns are not read", async () => {
    const { clock, connections, publish, state } = start();
    publish("other", one);
    await clock.advance(ASK_INTERVAL_MS);
    expect(connections.opened).toEqual([]);
    expect(state(one, "other")).toBe("engine_unknown");
  });

  it("keep their connections when the pool is published again", async () => {
    const { clock, connections, publish, state } = start();
    publish("a", one);
    await clock.advance(ASK_INTERVAL_MS);
    connections.latest().answer();
    publish("a", two, { ...one, state: "draining" });
    await clock.advance(ASK_INTERVAL_MS);
    expect(connections.opened).toHaveLength(2);
    expect(state(one)).toBe("instance-1");
  });

  it("are forgotten when they leave", async () => {
    const { clock, connections, publish, state } = start();
    publish("a", one);
    await clock.advance(ASK_INTERVAL_MS);
    connections.latest().answer();
    publish("a");
    expect(state(one)).toBe("engine_unknown");
    expect(connections.latest().isClosed).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it("are others where an endpoint keeps its id and moves", async () => {
    const { clock, connections, publish, state } = start();
    const moved = { ...two, id: one.id };
    publish("a", one);
    await clock.advance(ASK_INTERVAL_MS);
    connections.latest().answer();
    expect(state(moved)).toBe("engine_unknown");
    publish("a", moved);
    expect(connections.opened[0]?.isClosed).toBe(true);
    await clock.advance(ASK_INTERVAL_MS);
    expect(connections.latest().target).toEqual({ host: "10.0.0.2", port: 1 });
    connections.latest().answer();
    expect([state(one), state(moved)]).toEqual(["engine_unknown", "instance-2"]);
  });

  it("are counted by state", async () => {
    const { clock, connections, publish, engines } = start();
    publish("a", one, two, endpointAt("10.0.0.3", 1), endpointAt("10.0.0.4", 1));
    await clock.advance(ASK_INTERVAL_MS);
    const [first, second, third] = connections.opened;
    first?.answer();
    second?.answer();
    third?.answer({ tp_size: 1 });
    engines.miscounted("a", two);
    expect([...engines.counts()]).toEqual([
      [1, "a", "ready"],
      [1, "a", "engine_unknown"],
      [1, "a", "engine_mismatch"],
      [0, "a", "engine_misplaces"],
      [0, "a", "tokenizer_mismatch"],
      [1, "a", "engine_miscounted"],
      [0, "a", "engine_encodes"],
      [0, "b", "ready"],
      [0, "b", "engine_unknown"],
      [0, "b", "engine_mismatch"],
      [0, "b", "engine_misplaces"],
      [0, "b", "tokenizer_mismatch"],
      [0, "b", "engine_miscounted"],
      [0, "b", "engine_encodes"],
    ]);
  });

  it("are off where an answer says that its weights are not those of the pool's profile", async () => {
    const { clock, connections, publish, engines, state, changes } = start();
    publish("a", one, two);
    await clock.advance(ASK_INTERVAL_MS);
    for (const connection of connections.opened) connection.answer();
    const confirmed = [undefined, null, "default", "w1", "w2", 1];
    expect(confirmed.map((said) => engines.confirmsWeights("a", one, said))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    expect([state(one), state(two)]).toEqual(["engine_mismatch", "instance-2"]);
    expect(changes.at(-1)?.why).toBe('weight_version "w2", not w1, in an answer');
  });

  it("are told of sessions that are over", () => {
    const { engines, closed } = start();
    engines.closeSession(one, "s");
    expect(closed).toEqual(["10.0.0.1 s"]);
  });

  it("are unknown once it is closed, and nothing is left", async () => {
    const { clock, connections, publish, engines, closed, state } = start();
    publish("a", one, two);
    await clock.advance(ASK_INTERVAL_MS);
    connections.latest().answer();
    await engines.close();
    await engines.close();
    publish("a", one, two);
    engines.closeSession(one, "s");
    expect([state(one), state(two)]).toEqual(["engine_unknown", "engine_unknown"]);
    expect(connections.opened.every(({ isClosed }) => isClosed)).toBe(true);
    expect(clock.pendingTimers).toBe(0);
    expect(closed).toEqual([]);
  });
});

describe("a thousand engines", () => {
  const many = Array.from({ length: 1000 }, (_, at) =>
    endpointAt(`10.1.${Math.floor(at / 250)}.${at % 250}`, 1),
  );

  async function startMany() {
    let step = 0;
    const started = start({ random: () => (step = (step + 0.618_034) % 1) });
    started.publish("a", ...many);
    /** How many connections are opened in each tenth of a second. */
    const opened = async (tenths: number) => {
      const counts: number[] = [];
      for (let at = 0; at < tenths; at++) {
        const before = started.connections.opened.length;
        await started.clock.advance(100);
        counts.push(started.connections.opened.length - before);
      }
      return counts;
    };
    return { ...started, opened };
  }

  it("have a connection and a timer each, and no more", async () => {
    const { clock, connections, opened, engines, publish } = await startMany();
    await opened(11);
    expect([connections.opened.length, clock.pendingTimers]).toEqual([1000, 1000]);
    for (const connection of connections.opened) connection.answer();
    expect(clock.pendingTimers).toBe(1000);
    publish("a", ...many);
    await opened(20);
    expect([connections.opened.length, clock.pendingTimers]).toEqual([1000, 1000]);
    expect([...engines.counts()][0]).toEqual([1000, "a", "ready"]);
  });

  it("are not connected to all at once", async () => {
    const { opened } = await startMany();
    const tenths = await opened(10);
    expect([Math.min(...tenths), Math.max(...tenths)]).toEqual([99, 101]);
  });

  it("lose one connection with the one that leaves", async () => {
    const { publish, connections, opened } = await startMany();
    await opened(11);
    publish("a", ...many.slice(1));
    expect(connections.opened.filter(({ isClosed }) => isClosed)).toHaveLength(1);
  });
});
