/** Turns of a pool whose servers keep KV in slots, from body to answer. */
import { describe, expect, it } from "vitest";
import { settle } from "../../support/fake-clock.ts";
import { MADE, SERVED, sent, SlotPoolBench } from "../../support/kv/slot-pool-bench.ts";
import { text } from "../../support/kv/slot-stand.ts";
import { ENGINE_B } from "../../support/path-bench.ts";

const PROMPT = text("a", 60);

describe("a turn", () => {
  it("is sent with the slot that its session sits in, and its session is made at the first", async () => {
    const bench = new SlotPoolBench();
    const begun = await bench.begin("s", PROMPT);
    const slot = { id_slot: 0, cache_prompt: true, n_cache_reuse: 0 };
    expect(sent(begun)).toEqual({ ...slot, prompt: PROMPT, n_predict: 4 });
    expect(begun.status).toBe("reused=0 slot=0 from=fresh why=nothing_stored");
    expect(begun.fallbacks).toEqual([ENGINE_B]);
    await bench.answer(begun, PROMPT);
    expect(bench.seen).toEqual(["create s", "injected 0", "committed", "used s"]);
  });

  it("finds the session in its slot where the last turn left it", async () => {
    const bench = new SlotPoolBench();
    await bench.turn("s", PROMPT);
    const second = await bench.begin("s", `${PROMPT} more`);
    expect(second.status).toMatch(/^reused=6\d slot=0 from=resident$/);
    expect(sent(second)["id_slot"]).toBe(0);
  });

  it("is restored where others took its slot", async () => {
    const bench = new SlotPoolBench({ slots: 1 });
    await bench.turn("s", PROMPT);
    await bench.turn("other", text("b", 60));
    const back = await bench.begin("s", `${PROMPT} more`);
    expect(back.status).toMatch(/^reused=6\d slot=0 from=restored$/);
  });

  it("gives its slot back when its client leaves, before an answer or in one", async () => {
    const bench = new SlotPoolBench({ slots: 1 });
    const first = await bench.begin("s", PROMPT);
    first.turn.abandon();
    const second = await bench.begin("t", PROMPT);
    second.turn.answer(SERVED)?.push(Buffer.from('{"content":"fo'), false);
    second.turn.abandon();
    const third = await bench.begin("u", PROMPT);
    expect(third.status).toMatch(/ slot=0 /);
    await settle();
    expect(bench.seen.filter((each) => !/create|injected/.test(each))).toEqual([
      "unanswered",
      "used s",
      "cut_short",
      "used t",
    ]);
  });

  it("of an answer without counts is saved by nobody", async () => {
    const bench = new SlotPoolBench();
    const begun = await bench.begin("s", PROMPT);
    begun.turn.answer(SERVED)?.push(Buffer.from('{"content":"x"}'), true);
    await settle();
    expect(bench.seen).toContain("uncounted");
    expect(bench.stand.saves).toEqual([]);
  });

  it.each([
    ["status 500", { ...SERVED, status: 500 }],
    ["an error in place of an answer", SERVED],
  ])("that the server ends with %s leaves its session nowhere", async (_claim, head) => {
    const bench = new SlotPoolBench();
    const begun = await bench.begin("s", PROMPT);
    bench.stand.server.begin(0, { prompt: PROMPT, output: "x" }).finish();
    begun.turn.answer(head)?.push(Buffer.from('{"error":{"code":500}}'), true);
    await settle();
    expect(bench.stand.desk.load.residents).toBe(0);
  });

  it("that is the session's last ends it, and saves nothing", async () => {
    const bench = new SlotPoolBench();
    await bench.turn("s", PROMPT, { isFinal: true });
    expect(bench.seen.at(-1)).toBe("end s");
    expect(bench.stand.saves).toEqual([]);
  });

  it("brings another session near, and does not wait for that", async () => {
    const bench = new SlotPoolBench();
    await bench.begin("s", PROMPT, { prefetch: { tenant: "", id: "next" } });
    expect(bench.seen[0]).toBe("prefetch next");
  });
});

describe("a request goes on without a slot of its own", () => {
  it("where its server is not known, or not as it should be", async () => {
    const bench = new SlotPoolBench();
    bench.state = { kind: "off", reason: "slots_off" };
    const body = await bench.read({ prompt: PROMPT, id_slot: 1 });
    const begun = await bench.begin("s", PROMPT, { body });
    expect([begun.status, sent(begun)]).toEqual(["slots_off", { prompt: PROMPT }]);
    expect(begun.turn.answer(SERVED)).toBeUndefined();
    expect(bench.seen).toEqual(["slots_off 0"]);
  });

  it("where its server is gone by the time that its session is made, and asks nobody for one", async () => {
    const off = { kind: "off", reason: "engine_unknown" } as const;
    const created = { kind: "created", session: MADE } as const;
    const create = async () => {
      bench.state = off;
      return created;
    };
    const bench = new SlotPoolBench({}, { sessions: { create } });
    expect((await bench.begin("s", PROMPT)).status).toBe("engine_unknown");
    expect(bench.stand.seats).toEqual([]);
  });

  it("where it is no turn", async () => {
    const bench = new SlotPoolBench();
    const body = await bench.read({ input: "x" }, "/v1/embeddings");
    expect((await bench.begin("s", PROMPT, { body })).status).toBe("path");
  });

  it("where its session may not be made", async () => {
    const refused = { kind: "refused", reason: "quota_sessions" } as const;
    const bench = new SlotPoolBench({}, { sessions: { create: async () => refused } });
    expect((await bench.begin("s", PROMPT)).status).toBe("quota_sessions");
  });

  it("where it waited for one as long as it may, and leaves what it is given later", async () => {
    const bench = new SlotPoolBench({ slots: 1 });
    const first = await bench.begin("s", PROMPT);
    const waiting = bench.begin("t", PROMPT);
    await settle();
    await bench.stand.advance(8_000);
    expect((await waiting).status).toMatch(/^(slots_busy|late)$/);
    first.turn.abandon();
    await settle();
    expect((await bench.begin("u", PROMPT)).status).toMatch(/ slot=0 /);
  });

  it("where we have a bug, which is told", async () => {
    const fault = new Error("a bug");
    const sessions = { create: async () => Promise.reject(fault) };
    const bench = new SlotPoolBench({}, { sessions });
    expect((await bench.begin("s", PROMPT)).status).toBe("failed");
    expect(bench.failures).toEqual([fault]);
  });
});

it("paths of slots are for no client, and those that the operator names pass", () => {
  const { pool } = new SlotPoolBench();
  expect([pool.forbids("/slots/0"), pool.forbids("/completion")]).toEqual([true, false]);
  expect([pool.passes("/tokenize"), pool.passes("/completion")]).toEqual([true, false]);
});
