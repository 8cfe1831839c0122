import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Endpoint, EndpointId } from "../../../src/endpoints/endpoint.ts";
import type { SlotServerChange } from "../../../src/kv/slots/slot-server-observer.ts";
import type { SlotPoolFacts } from "../../../src/kv/slots/slot-server-watch.ts";
import { SlotFault, type SlotServer } from "../../../src/kv/slots/slot-server.ts";
import { WatchedSlotServers } from "../../../src/kv/slots/watched-slot-servers.ts";
import type { StagedName } from "../../../src/kv/staging.ts";
import { settle } from "../../support/fake-clock.ts";
import { endpointAt } from "../../support/engine-endpoints.ts";
import type { RecordedLlama } from "../../support/recorded-llama.ts";
import { nameOf, SlotWatching } from "../../support/slot-watching.ts";

const NEVER = new AbortController().signal;

const FACTS: SlotPoolFacts = {
  expected: { slots: undefined, contextTokens: undefined },
  modelId: undefined,
  cacheTypeK: "f16",
  cacheTypeV: "f16",
};

let watching: SlotWatching;
let servers: WatchedSlotServers;
let changes: SlotServerChange[];
let unanswered: string[];
let gone: unknown[];
let leaving: unknown[];
let left: PromiseWithResolvers<void>;

beforeEach(() => {
  watching = new SlotWatching();
  changes = [];
  unanswered = [];
  gone = [];
  leaving = [];
  left = Promise.withResolvers();
  servers = new WatchedSlotServers({
    ...watching.options,
    pools: new Map([
      ["a", FACTS],
      ["b", { ...FACTS, expected: { slots: 4, contextTokens: undefined } }],
      ["keyed", { ...FACTS, apiKey: "sk-1" }],
    ]),
    gone: (pool, { endpoint, server }) => gone.push([pool, endpoint, server.instance]),
    leaving: (pool, { instance }) => {
      leaving.push([pool, instance]);
      return left.promise;
    },
    observer: {
      stateChanged: (change) => changes.push(change),
      unanswered: ({ pool, address, why }) => unanswered.push(`${pool} ${address} ${why}`),
    },
  });
});
afterEach(async () => {
  await servers.close();
  await watching.close();
});

function endpointOf({ target }: RecordedLlama): Endpoint {
  return endpointAt(target.host, target.port);
}

const state = (endpoint: Endpoint, pool = "a") => nameOf(servers.server(pool, endpoint));
const isReady = (endpoint: Endpoint, pool = "a") => servers.server(pool, endpoint).kind === "ready";

async function readyAt(endpoint: Endpoint): Promise<SlotServer> {
  servers.published({ name: "a", endpoints: [endpoint] });
  await watching.until(() => isReady(endpoint));
  const found = servers.server("a", endpoint);
  if (found.kind !== "ready") throw new Error("it was ready");
  return found.server;
}

describe("servers with a key", () => {
  it("are ready to who has it, and do with it what is asked of a slot", async () => {
    const llama = await watching.serve();
    llama.apiKey = "sk-1";
    const endpoint = endpointOf(llama);
    servers.published({ name: "keyed", endpoints: [endpoint] });
    await watching.until(() => isReady(endpoint, "keyed"));
    const found = servers.server("keyed", endpoint);
    if (found.kind !== "ready") throw new Error("it was ready");
    const [name, never] = ["x.slot" as StagedName, new AbortController().signal];
    const { server } = found;
    expect(await server.look(never)).toHaveLength(2);
    expect(await server.save(0, name, never)).toMatchObject({ bytes: 36 });
    expect(await server.restore(0, name, never)).toMatchObject({ tokens: 6 });
    expect(await server.erase(0, never)).toBeUndefined();
  });

  it("say to others that they want one", async () => {
    const llama = await watching.serve();
    llama.apiKey = "sk-2";
    const endpoint = endpointOf(llama);
    servers.published({ name: "keyed", endpoints: [endpoint] });
    await watching.until(() => unanswered.length > 0);
    expect(unanswered).toEqual([`keyed ${endpoint.address} 401, and it keeps no connection open`]);
  });
});

describe("the servers of a pool", () => {
  it("are each of its members, whatever their health, by the facts of their own pool", async () => {
    const [one, two] = [await watching.serve(), await watching.serve()].map(endpointOf) as [
      Endpoint,
      Endpoint,
    ];
    servers.published({ name: "a", endpoints: [one, { ...two, state: "down" }] });
    servers.published({ name: "b", endpoints: [one] });
    servers.published({ name: "c", endpoints: [one] });
    await watching.until(() => isReady(one) && isReady(two) && changes.length === 3);

    expect(state(one, "b")).toBe("engine_mismatch");
    expect(state(one, "c")).toBe("engine_unknown");
    const [{ address: at }] = [one];
    expect(changes).toContainEqual({
      pool: "b",
      address: at,
      from: "engine_unknown",
      to: "engine_mismatch",
      why: "total_slots 2, not 4",
    });
    expect(changes.filter(({ to }) => to === "ready").map(({ pool }) => pool)).toEqual(["a", "a"]);
  });

  it("are watched on as long as they are members, and not longer", async () => {
    const llama = await watching.serve();
    const one = endpointOf(llama);
    servers.published({ name: "a", endpoints: [one] });
    await watching.until(() => isReady(one));
    const { connections } = llama;
    servers.published({ name: "a", endpoints: [{ ...one, weight: 2 }] });
    expect(isReady(one)).toBe(true);
    left.resolve();
    servers.published({ name: "a", endpoints: [] });
    await watching.clock.advance(60_000);

    expect(state(one)).toBe("engine_unknown");
    expect(llama.connections).toBe(connections);
    expect(watching.clock.pendingTimers).toBe(0);
  });

  it("that leave answer until nobody wants anything of them, and no longer", async () => {
    const one = endpointOf(await watching.serve());
    const server = await readyAt(one);
    servers.published({ name: "a", endpoints: [] });
    expect([state(one), leaving]).toEqual(["engine_unknown", [["a", server.instance]]]);
    expect(await server.look(NEVER)).toHaveLength(2);
    left.resolve();
    await settle();
    expect(await server.look(NEVER)).toBeInstanceOf(SlotFault);
  });

  it.each([
    ["are members again", (one: Endpoint) => servers.published({ name: "a", endpoints: [one] })],
    ["are members of another pool", (one) => servers.published({ name: "b", endpoints: [one] })],
    ["are watched by nobody", () => void servers.close()],
  ])("that leave answer no more once they %s", async (_claim, until) => {
    const one = endpointOf(await watching.serve());
    const server = await readyAt(one);
    servers.published({ name: "a", endpoints: [] });
    until(one);
    expect(await server.look(NEVER)).toBeInstanceOf(SlotFault);
  });

  it.each([
    ["by another id", (one: Endpoint) => ["a", { ...one, id: "renamed" as EndpointId }] as const],
    ["in another pool", (one: Endpoint) => ["b", one] as const],
  ])("do not answer whoever had them once they are members %s", async (_claim, as) => {
    const one = endpointOf(await watching.serve());
    const server = await readyAt(one);
    const [name, endpoint] = as(one);
    servers.published({ name, endpoints: [endpoint] });
    if (name !== "a") servers.published({ name: "a", endpoints: [] });
    expect(leaving).toHaveLength(1);
    expect(await server.look(NEVER)).toBeInstanceOf(SlotFault);
  });

  it("are gone, once, when their processes end that were ready, and are members", async () => {
    const [one, two, three] = [
      await watching.serve(),
      await watching.serve(),
      await watching.serve(),
    ];
    const [a, b, c] = [endpointOf(one), endpointOf(two), endpointOf(three)];
    two.answers("GET /slots", { status: 501, body: {} });
    await readyAt(c);
    servers.published({ name: "a", endpoints: [a, b] });
    await watching.until(() => isReady(a) && state(b) === "slots_off");
    const instance = state(a);
    await Promise.all([one.kill(), two.kill(), three.kill()]);
    await watching.until(() => state(a) === "engine_unknown" && state(b) === "engine_unknown");
    await watching.clock.advance(5_000);
    expect(gone).toEqual([["a", a.id, instance]]);
  });

  it("are others where an endpoint has moved", async () => {
    const [old, next] = [endpointOf(await watching.serve()), endpointOf(await watching.serve())];
    servers.published({ name: "a", endpoints: [old] });
    await watching.until(() => isReady(old));
    const moved = { ...next, id: old.id };
    expect(state(moved)).toBe("engine_unknown");
    servers.published({ name: "a", endpoints: [moved] });
    expect(state(old)).toBe("engine_unknown");
    await watching.until(() => isReady(moved));
  });

  it("are counted by their states", async () => {
    const one = endpointOf(await watching.serve());
    servers.published({ name: "a", endpoints: [one, endpointAt("127.0.0.1", 1)] });
    await watching.until(() => isReady(one) && unanswered.length === 1);

    const counts = [...servers.counts()].filter(([count]) => count > 0);
    expect(counts).toEqual([
      [1, "a", "ready"],
      [1, "a", "engine_unknown"],
    ]);
    expect([...servers.counts()]).toHaveLength(18);
    expect(unanswered).toEqual(["a 127.0.0.1:1 ECONNREFUSED"]);
  });

  it("are unknown when nobody watches them any more", async () => {
    const one = endpointOf(await watching.serve());
    servers.published({ name: "a", endpoints: [one] });
    await watching.until(() => isReady(one));
    await servers.close();
    await servers.close();
    servers.published({ name: "a", endpoints: [one] });

    expect(state(one)).toBe("engine_unknown");
    expect(watching.clock.pendingTimers).toBe(0);
  });
});
