/** How turns end: committed by a whole answer of the engine that they were planned for, and aborted by everything else. */
import { afterEach, describe, expect, it } from "vitest";

import { CatalogFault } from "../../../src/kv/catalog-fault.ts";
import type { Verdict } from "../../../src/kv/catalog.ts";
import { UNVERIFIED } from "../../support/kv-desk.ts";
import { bodyOf, ENGINE_A, ENGINE_B, PathBench, SERVED } from "../../support/path-bench.ts";
import { POLICY, session } from "../../support/turn-bench.ts";
import { patientVerifier } from "../../support/patient-verifier.ts";
import { until } from "../../support/until.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";

const benches = new Benches(CATALOGS[0]);
afterEach(async () => expect(await benches.close()).toEqual([]));

const AT_A = `${ENGINE_A.address} own-1`;
const AT_B = `${ENGINE_B.address} own-1`;

async function open(): Promise<PathBench> {
  return new PathBench(await benches.open());
}

/** What the next turn of the conversation finds, and the file that it may store in. */
async function next(path: PathBench): Promise<readonly [string, string | undefined]> {
  const begun = await path.begin("one two three ");
  return [begun.status, bodyOf(begun).session_params?.fresh_kv_cache?.[0]?.kv_uri];
}

describe("an answer", () => {
  it("reaches the client without what the engine said of its KV", async () => {
    const path = await open();
    const { shown = "" } = await path.turn("one ", "two ");
    expect(JSON.parse(shown)).toEqual({
      text: "two ",
      output_ids: [116, 119, 111, 32],
      meta_info: { prompt_tokens: 4, cached_tokens: 0, completion_tokens: 4 },
    });
  });

  it("is read in whatever chunks it comes, and committed by the last", async () => {
    const path = await open();
    const begun = await path.begin("one ");
    const filter = begun.turn.answer(SERVED);
    const answer = await path.answerTo(begun, "two ");
    const shown = Array.from(answer, (byte, at) =>
      filter?.push(Uint8Array.of(byte), at === answer.length - 1),
    );
    expect(Buffer.concat(shown.map((chunk) => chunk ?? new Uint8Array())).toString()).not.toContain(
      "kv_uri",
    );
    await path.ended();
    expect((await next(path))[0]).toBe("reused=7");
  });

  it("is read as events where it says so", async () => {
    const path = await open();
    const begun = await path.begin("one ");
    const filter = begun.turn.answer({
      ...SERVED,
      contentType: "Text/Event-Stream; charset=utf-8",
    });
    const event = `data: ${(await path.answerTo(begun, "two ")).toString()}\n\n`;
    const shown = filter?.push(Buffer.from(event), false);
    filter?.push(Buffer.from("data: [DONE]\n\n"), true);
    expect(Buffer.from(shown ?? "").toString()).toMatch(/^data: \{"text":"two "/);
    await path.ended();
    expect(path.seen).toEqual(["injected 0/4", "committed"]);
  });

  it("ends for the client before anything of it is committed, and closes the engine's session after", async () => {
    const path = await open();
    const verdict = Promise.withResolvers<Verdict>();
    path.bench.verifier.verdict = () => verdict.promise;
    const begun = await path.begin("one ");
    const answer = await path.answerTo(begun, "two ");
    begun.turn.answer(SERVED)?.push(answer, true);
    expect(path.seen).toEqual(["injected 0/4"]);
    await until(() => path.seen.includes("committed"));
    expect(path.engines.closed).toEqual([]);
    verdict.resolve(UNVERIFIED);
    await path.ended();
    expect(path.engines.closed).toEqual([AT_A]);
  });

  it("is sent, with the event loop's next turn, before its commit begins", async () => {
    const bench = await benches.open();
    const { clock } = bench;
    const path = new PathBench(bench, { clock });
    const begun = await path.begin("one ");
    const answer = await path.answerTo(begun, "two ");
    begun.turn.answer(SERVED)?.push(answer, true);
    await path.idle();
    expect(path.seen).toEqual(["injected 0/4"]);
    await clock.advance(0);
    await until(() => path.seen.includes("committed"));
  });

  it("by other weights commits nothing, and turns the engine off", async () => {
    const path = await open();
    const begun = await path.begin("one ");
    const answer = await path.answerTo(begun, "two ", { weight_version: "w2" });
    begun.turn.answer(SERVED)?.push(answer, true);
    await path.ended();
    expect(path.seen).toEqual(["injected 0/4", "other_weights"]);
    expect(path.engines.otherWeightsAt).toEqual([ENGINE_A.address]);
    expect(await path.bench.catalog.segments(session("a"))).toEqual([]);
  });

  it("by the right weights is committed", async () => {
    const path = await open();
    const begun = await path.begin("one ");
    const answer = await path.answerTo(begun, "two ", { weight_version: "w1" });
    begun.turn.answer(SERVED)?.push(answer, true);
    await path.ended();
    expect(path.seen).toEqual(["injected 0/4", "committed"]);
  });

  it("that counts nothing commits nothing, and says nothing of the engine", async () => {
    const path = await open();
    const begun = await path.begin("one ");
    const answer = await path.answerTo(begun, "two ", { prompt_tokens: undefined });
    begun.turn.answer(SERVED)?.push(answer, true);
    await path.ended();
    expect(path.seen).toEqual(["injected 0/4", "uncounted"]);
    expect(path.engines.miscountedAt).toEqual([]);
  });

  it("that is not whole commits nothing", async () => {
    const path = await open();
    const begun = await path.begin("one ");
    const answer = await path.answerTo(begun, "two ");
    begun.turn.answer(SERVED)?.push(answer.subarray(0, -1), true);
    await path.ended();
    expect(path.seen).toEqual(["injected 0/4", "not_reported"]);
  });
});

describe("a turn is aborted, its file sealed and the engine's session closed", () => {
  it("where the client has left before the answer came, at every engine that may have it", async () => {
    const path = await open();
    const begun = await path.begin("one ");
    begun.turn.abandon();
    begun.turn.abandon();
    await path.ended();
    expect(path.seen).toEqual(["injected 0/4", "unanswered"]);
    expect(path.engines.closed).toEqual([AT_A, AT_B]);
    expect(await next(path)).toEqual(["reused=0", expect.stringMatching(/^file:\/\/\/a\.e\d+$/)]);
  });

  it("where it was cut short", async () => {
    const path = await open();
    const begun = await path.begin("one ");
    const answer = await path.answerTo(begun, "two ");
    begun.turn.answer(SERVED)?.push(answer.subarray(0, 40), false);
    begun.turn.abandon();
    await path.ended();
    expect(path.seen).toEqual(["injected 0/4", "cut_short"]);
    expect(path.engines.closed).toEqual([AT_A]);
    expect((await next(path))[0]).toBe("reused=0");
  });

  it.each([
    ["engine_failed", { status: 400 }, [AT_A]],
    ["engine_failed", { status: 500 }, [AT_A]],
    ["engine_failed", { status: 503, servedBy: undefined, attempts: undefined }, [AT_A, AT_B]],
    ["retried", { attempts: 2 }, [AT_A, AT_B]],
    ["retried", { attempts: undefined }, [AT_A, AT_B]],
    ["served_elsewhere", { servedBy: ENGINE_B.address }, [AT_A, AT_B]],
    ["served_elsewhere", { servedBy: undefined }, [AT_A, AT_B]],
  ])(
    "as %s by a response with %o, of which the client sees nothing of KV",
    async (end, head, closed) => {
      const path = await open();
      const begun = await path.begin("one ");
      const filter = begun.turn.answer({ ...SERVED, ...head });
      await until(() => path.seen.includes(end));
      const shown = filter?.push(await path.answerTo(begun, "two "), true);
      expect(Buffer.from(shown ?? "").toString()).toMatch(/^\{"text":"two "(?!.*kv_uri)/);
      begun.turn.abandon();
      await path.ended();
      expect(path.engines.closed).toEqual(closed);
      expect(path.seen).toEqual(["injected 0/4", end]);
      expect((await next(path))[0]).toBe("reused=0");
    },
  );

  it("where the answer is encoded, which nobody sees, and whose engine is off from then on", async () => {
    const path = await open();
    const begun = await path.begin("one ");
    expect(begun.turn.withholds({ ...SERVED, contentEncoding: "Identity" })).toBe(false);
    expect(begun.turn.withholds({ ...SERVED, contentEncoding: "gzip" })).toBe(true);
    await path.ended();
    expect(path.seen).toEqual(["injected 0/4", "encoded"]);
    expect(path.engines.encodedAt).toEqual([ENGINE_A.address]);
  });

  it("where it is encoded, which passes as it is where what is ours is exposed", async () => {
    const path = new PathBench(await benches.open(), { exposeKv: true });
    const begun = await path.begin("one ");
    const head = { ...SERVED, contentEncoding: "gzip" };
    expect(begun.turn.withholds(head)).toBe(false);
    expect(begun.turn.answer(head)).toBeUndefined();
    await path.ended();
    expect(path.seen).toEqual(["injected 0/4", "encoded"]);
  });

  it.each([
    ["engine_failed", { status: 500 }, [ENGINE_A.address]],
    ["retried", { attempts: 2 }, [ENGINE_A.address]],
    ["retried", { attempts: 2, servedBy: ENGINE_B.address }, [ENGINE_B.address]],
    ["served_elsewhere", { servedBy: ENGINE_B.address }, [ENGINE_B.address]],
    ["served_elsewhere", { servedBy: "10.9.9.9:80" }, []],
    ["retried", { attempts: undefined, servedBy: undefined }, []],
  ])(
    "where an answer that is %s by %o is encoded, which nobody sees, and whose engine is off where that is known",
    async (end, head, encodedAt) => {
      const path = await open();
      const begun = await path.begin("one ");
      expect(begun.turn.withholds({ ...SERVED, ...head, contentEncoding: "br" })).toBe(true);
      await path.ended();
      expect(path.seen).toEqual(["injected 0/4", end]);
      expect(path.engines.encodedAt).toEqual(encodedAt);
    },
  );

  it("where the engine refuses it in words that repeat it, of which the client sees none of ours", async () => {
    const path = await open();
    const begun = await path.begin("one ");
    const request = bodyOf(begun);
    const uri = request.session_params?.fresh_kv_cache?.[0]?.kv_uri ?? "";
    const detail = [{ loc: ["body"], input: request }, { msg: `{'kv_uri': '${uri}'}` }];
    const filter = begun.turn.answer({ ...SERVED, status: 422 });
    const shown = filter?.push(Buffer.from(JSON.stringify({ detail })), true) ?? [];
    const { session_params: _, ...rest } = request;
    expect(JSON.parse(Buffer.from(shown).toString())).toEqual({
      detail: [{ loc: ["body"], input: rest }, { msg: "{'kv_uri': '[removed]'}" }],
    });
    await path.ended();
    expect(path.seen).toEqual(["injected 0/4", "engine_failed"]);
  });

  it.each([{}, { contentEncoding: "gzip" }])(
    "withholds nothing of a request that had nothing of ours: %o",
    async (head) => {
      const path = await open();
      const begun = await path.begin({ input_ids: [[1], [2]] });
      expect(begun.turn.withholds({ ...SERVED, ...head })).toBe(false);
      expect(begun.turn.answer({ ...SERVED, ...head })).toBeUndefined();
    },
  );
});

it("is over once it is committed, whatever its exchange does after", async () => {
  const path = await open();
  const begun = await path.begin("one ");
  const answer = await path.answerTo(begun, "two ");
  begun.turn.answer(SERVED)?.push(answer, true);
  begun.turn.abandon();
  await path.ended();
  expect(path.seen).toEqual(["injected 0/4", "committed"]);
  expect((await next(path))[0]).toBe("reused=7");
});

it("lists nothing of an engine that has restarted since its answer", async () => {
  const bench = await benches.open({ verifier: patientVerifier });
  const path = new PathBench(bench);
  const settleAll = () =>
    until(async () => {
      await bench.clock.advance(10);
      return path.engines.closed.length > 0;
    });
  const begun = await path.begin("one ");
  const answer = await path.answerTo(begun, "two ");
  begun.turn.answer(SERVED)?.push(answer, true);
  path.engines.states.set(ENGINE_A.address, { kind: "ready", instance: "another" });
  await settleAll();
  expect(await bench.catalog.segments(session("a"))).toEqual([]);

  path.engines.closed.length = 0;
  const again = await path.begin("one ");
  again.turn.answer(SERVED)?.push(await path.answerTo(again, "two "), true);
  await settleAll();
  expect(await bench.catalog.segments(session("a"))).toHaveLength(1);
});

describe("what the KV service refuses reaches the log and no exchange", () => {
  it("where the catalog cannot be written at the commit", async () => {
    const fault = new CatalogFault("no space");
    const bench = await benches.open({}, (catalog) => ({
      ...catalog,
      report: () => Promise.reject(fault),
    }));
    const path = new PathBench(bench);
    await path.turn("one ", "two ");
    expect(path.seen).toEqual(["injected 0/4", "commit failed", "failed"]);
    expect(path.failures).toEqual([fault]);
    expect(path.engines.closed).toEqual([AT_A]);
    expect((await path.bench.catalog.session(session("a")))?.turns).toEqual([]);
  });

  it("where the answer came after the turn's deadline", async () => {
    const path = await open();
    const begun = await path.begin("one ");
    const answer = await path.answerTo(begun, "two ");
    await path.bench.clock.advance(POLICY.turnMs);
    begun.turn.answer(SERVED)?.push(answer, true);
    await path.ended();
    expect(path.seen).toEqual(["injected 0/4", "unknown_turn"]);
  });
});

describe("the last turn of a session", () => {
  it("ends it when all of the answer is settled", async () => {
    const path = await open();
    const { catalog } = path.bench;
    const verdict = Promise.withResolvers<Verdict>();
    path.bench.verifier.verdict = () => verdict.promise;
    const begun = await path.begin("one ", { isFinal: true });
    const answer = await path.answerTo(begun, "two ");
    begun.turn.answer(SERVED)?.push(answer, true);
    await until(() => path.seen.includes("committed"));
    expect(await catalog.session(session("a"))).toBeDefined();
    verdict.resolve(UNVERIFIED);
    await until(async () => (await catalog.session(session("a"))) === undefined);
    expect(path.bench.seen).toContain("settled dropped");
  });

  it.each([
    ["is aborted", "one "],
    ["passes as it came", { input_ids: [[1], [2]] }],
  ])("ends it where the turn %s", async (_, body) => {
    const path = await open();
    const { catalog } = path.bench;
    await path.turn("one ", "two ");
    const begun = await path.begin(body, { isFinal: true });
    expect(await catalog.session(session("a"))).toBeDefined();
    begun.turn.abandon();
    await until(async () => (await catalog.session(session("a"))) === undefined);
  });
});
