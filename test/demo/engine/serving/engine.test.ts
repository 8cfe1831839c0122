import { describe, expect, it } from "vitest";
import { freshAnswer } from "../../../../demo/engine/oracle.ts";
import { SegmentWriter } from "../../../../demo/engine/segments/writer.ts";
import { ComputingEngine, DEFAULT_LIMITS } from "../../../../demo/engine/serving/engine.ts";
import type { EngineLimits, Job, Step } from "../../../../demo/engine/serving/engine.ts";
import { tinyOracle } from "../../../support/computing-engine.ts";
import { someIds } from "../../../support/engine-client.ts";

const prompt = someIds(40);
const expected = freshAnswer(tinyOracle, prompt, { maxNewTokens: 12, ignoresEos: true });
const job: Job = { prompt, sampling: { maxNewTokens: 12, ignoresEos: false }, kv: undefined };
const never = new AbortController().signal;

interface Settings {
  readonly stopIds?: readonly number[];
  readonly limits?: Partial<EngineLimits>;
}

function openEngine({ stopIds = [], limits }: Settings = {}): ComputingEngine {
  const die = () => {
    throw new Error("it has no reason to");
  };
  const writer = new SegmentWriter({ root: "/nowhere", die });
  const { model } = tinyOracle;
  const all = { ...DEFAULT_LIMITS, ...limits };
  return new ComputingEngine({ model, stopIds, writer, root: "/nowhere", limits: all });
}

async function lastStep(engine: ComputingEngine, asked: Job, signal = never): Promise<Step> {
  let last: Step | undefined;
  for await (const step of engine.answer(asked, signal)) last = step;
  if (last === undefined) throw new Error("an answer has a step");
  return last;
}

describe("a computing engine", () => {
  it("ends an answer with the first id that ends answers", async () => {
    const stop = expected.ids[4] as number;
    const step = await lastStep(openEngine({ stopIds: [stop] }), job);
    const end = expected.ids.indexOf(stop) + 1;
    expect(step.outputIds).toEqual(expected.ids.slice(0, end));
    expect(step.finish?.reason).toEqual({ type: "stop", matched: stop });
  });

  it("goes on behind such an id where that is asked for", async () => {
    const engine = openEngine({ stopIds: expected.ids });
    const sampling = { maxNewTokens: 12, ignoresEos: true };
    const step = await lastStep(engine, { ...job, sampling });
    expect([step.outputIds, step.finish?.digest]).toEqual([expected.ids, expected.digest]);
    expect(step.finish?.reason).toEqual({ type: "length", length: 12 });
  });

  it("counts as cached whole pages of what it holds, and never the last token", async () => {
    const engine = openEngine({ limits: { pageSize: 16 } });
    await lastStep(engine, job);
    const cached = async (asked: readonly number[]) =>
      (await lastStep(engine, { ...job, prompt: asked })).usage.cachedTokens;
    const all = [...prompt, ...expected.ids];
    expect(await cached(all)).toBe(48); // of 51 that have KV
    expect(await cached(prompt.slice(0, 33))).toBe(32);
    expect(await cached(prompt.slice(0, 32))).toBe(16);
    expect(await cached(prompt.slice(0, 16))).toBe(0);
  });

  it("lets a prompt go on from one that was computed while it waited", async () => {
    const engine = openEngine();
    const [, second] = await Promise.all([lastStep(engine, job), lastStep(engine, job)]);
    expect(second.usage.cachedTokens).toBe(39);
    expect(second.finish?.digest).toBe(expected.digest);
  });

  it("computes one prompt after the other, whoever gives up", async () => {
    const engine = openEngine({ limits: { cacheTokens: 0 } });
    const gone = new AbortController();
    const long = { ...job, prompt: someIds(4000) };
    const first = lastStep(engine, long, gone.signal);
    const second = lastStep(engine, job);
    setTimeout(() => gone.abort(new Error("the client is gone")), 20);
    await expect(first).rejects.toThrow("the client is gone");
    expect((await second).finish?.digest).toBe(expected.digest);
    expect([engine.active, engine.totals.requests]).toEqual([0, 1]);
  });

  it("stops an answer whose client is gone", async () => {
    const engine = openEngine();
    const gone = new AbortController();
    const steps = engine.answer(job, gone.signal);
    await steps.next();
    gone.abort(new Error("the client is gone"));
    await expect(steps.next()).rejects.toThrow("the client is gone");
    expect(engine.active).toBe(0);
  });
});
