/** What a turn would cost at endpoints that reach different locations, before one of them is chosen. */
import { afterEach, expect, it } from "vitest";

import type { Endpoint } from "../../../src/endpoints/endpoint.ts";
import type { ReadBody } from "../../../src/kv/dialects/dialect.ts";
import type { PathPoolOptions } from "../../../src/kv/path/path-pool.ts";
import type { Prediction, TurnShape } from "../../../src/kv/prediction/prediction.ts";
import { ENGINE_A, ENGINE_B, generate, letterTokens, PathBench } from "../../support/path-bench.ts";
import { session } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";

const benches = new Benches(CATALOGS[0]);
afterEach(async () => expect(await benches.close()).toEqual([]));

const SITES = [
  { id: "one", labels: { node: "1" }, engines: true },
  { id: "two", labels: { node: "2" }, engines: true },
];
const A: Endpoint = { ...ENGINE_A, labels: { node: "1" } };
const B: Endpoint = { ...ENGINE_B, labels: { node: "2" } };
const BLIND: Endpoint = { ...ENGINE_B, id: A.id, address: "10.0.0.3:80", labels: {} };
const ALL = [A, B, BLIND];

/** The session `a` has stored `one two` where A reaches it. */
async function open(changes: Partial<PathPoolOptions> = {}): Promise<PathBench> {
  const path = new PathBench(await benches.open({ sites: SITES }), changes);
  await path.turn("one ", "two ", { endpoint: A });
  return path;
}

function read(path: PathBench, body: object): ReadBody {
  const found = path.pool.readBody("/generate", Buffer.from(JSON.stringify(body)));
  return "kind" in found && found.kind === "body" ? found : expect.unreachable();
}

function weigh(path: PathBench, body: ReadBody, endpoints: readonly Endpoint[] = ALL) {
  return path.pool.weigh({ session: session("a"), body, endpoints });
}

/** What each of them costs a turn with this prompt. */
async function costs(path: PathBench, prompt: string): Promise<readonly number[] | undefined> {
  const costMs = await weigh(path, read(path, generate(prompt)))?.();
  return costMs && ALL.map(costMs);
}

it("is what is left to compute, before times are learned", async () => {
  expect(await costs(await open(), "one two three ")).toEqual([7, 14, 14]);
});

it("is the predicted time to the first token, once there is one", async () => {
  const shapes: TurnShape[] = [];
  const predicted = (shape: TurnShape): Prediction => {
    shapes.push(shape);
    const ttftMs = 100 - shape.storedTokens;
    const times = { loadMs: 0, prefillMs: ttftMs, ttftMs, totalMs: undefined };
    return { cachedTokens: 0, outputTokens: 4, times };
  };
  const predictor = { predict: predicted, observe: () => undefined };
  const path = await open({ predictor });
  shapes.length = 0;
  expect(await costs(path, "one two three ")).toEqual([93, 100, 100]);
  expect(shapes).toContainEqual({ promptTokens: 14, storedTokens: 7, maxNewTokens: 4 });
});

it("is the same everywhere for a prompt of which nothing is stored", async () => {
  expect(await costs(await open(), "other prompt")).toEqual([12, 12, 12]);
});

it("counts nothing as stored for an engine that is off", async () => {
  const path = await open();
  path.engines.states.set(A.address, { kind: "off", reason: "engine_mismatch" });
  expect(await costs(path, "one two three ")).toEqual([14, 14, 14]);
});

it("leaves no trace: nothing is leased, used or reserved", async () => {
  const path = await open();
  const { catalog } = path.bench;
  const before = [await catalog.session(session("a")), await catalog.segments(session("a"))];
  await path.bench.clock.advance(10);
  await costs(path, "one two three ");
  expect([await catalog.session(session("a")), await catalog.segments(session("a"))]).toEqual(
    before,
  );
});

it("is nobody's question where all ready endpoints reach the same, or the body is no turn", async () => {
  const path = await open();
  const body = read(path, generate("one two three "));
  expect(weigh(path, body, [A, { ...A, address: "10.0.0.9:80" }])).toBeUndefined();
  expect(weigh(path, body, [A, { ...B, state: "down" }])).toBeUndefined();
  expect(weigh(path, body, [])).toBeUndefined();
  expect(weigh(path, read(path, { input_ids: [[1], [2]] }))).toBeUndefined();
  expect(weigh(path, body)).toBeDefined();
});

it("has the prompt encoded once, for weighing and for the turn", async () => {
  let encoded = 0;
  const tokens = {
    ...letterTokens,
    encode: (prompt: Parameters<typeof letterTokens.encode>[0]) => {
      encoded++;
      return letterTokens.encode(prompt);
    },
  };
  const path = await open({ tokens });
  encoded = 0;
  const body = read(path, generate("one two three "));
  expect((await weigh(path, body)?.())?.(A)).toBe(7);
  const begun = await path.begin("", { body, endpoint: A });
  expect(begun.status).toBe("reused=7");
  expect(encoded).toBe(1);
});

it("takes no more than a tenth of the time that the request may be held, and the turn goes on", async () => {
  const gate = Promise.withResolvers<void>();
  const tokens = {
    ...letterTokens,
    encode: async (prompt: Parameters<typeof letterTokens.encode>[0]) => {
      if ("ids" in prompt && prompt.ids.length === 14) await gate.promise;
      return letterTokens.encode(prompt);
    },
  };
  const path = await open({ tokens, holdMs: 1_000 });
  const body = read(path, generate("one two three "));
  const weighing = weigh(path, body)?.();
  let isOver = false;
  void weighing?.finally(() => (isOver = true));
  await path.bench.clock.advance(99);
  expect(isOver).toBe(false);
  await path.bench.clock.advance(1);
  expect(await weighing).toBeUndefined();
  const begun = path.begin("", { body, endpoint: A });
  gate.resolve();
  expect((await begun).status).toBe("reused=7");
});

it("is nothing where it fails, which the log has, and where there are no tokens", async () => {
  const bug = new Error("a bug");
  const failing = await open();
  failing.bench.catalog.prefixes = () => Promise.reject(bug);
  expect(await costs(failing, "one two three ")).toBeUndefined();
  expect(failing.seen.at(-1)).toBe("weigh failed");
  expect(failing.failures).toEqual([bug]);

  const path = await open();
  const encode = async () => ({ kind: "unencoded", reason: "tokens_busy" }) as const;
  const busy = new PathBench(path.bench, { tokens: { ...letterTokens, encode } });
  expect(await costs(busy, "one two three ")).toBeUndefined();
  expect(busy.failures).toEqual([]);
});
