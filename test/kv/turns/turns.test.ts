/** What becomes of a turn, and of those that come after it or with it. */
import { afterEach, describe, expect, it } from "vitest";

import type { Verdict } from "../../../src/kv/catalog.ts";
import { settle } from "../../support/fake-clock.ts";
import { condemn, RETENTION, UNVERIFIED } from "../../support/kv-desk.ts";
import {
  freshOf,
  POLICY,
  session,
  SMALL_TOKEN_BYTES,
  spans,
  tokens,
  turnOf,
  written,
} from "../../support/turn-bench.ts";
import { until } from "../../support/until.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

describe.each(CATALOGS)("turns over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  describe("a prompt that was edited", () => {
    it("keeps the whole segments before the divergence and goes on from there", async () => {
      const bench = await benches.openWith();
      await bench.turn("a", "one ", "two ");
      await bench.turn("a", "one two t", "hree ");

      const edited = await bench.turn("a", "one two FOUR ", "five");
      expect(spans(edited.stored)).toEqual([[0, 8]]);
      expect(edited.limit).toBe("diverged");
      expect(spans(freshOf(edited))).toEqual([[8, 9]]);
      const next = await bench.plan("a", "one two FOUR five?");
      expect(spans(next.stored)).toEqual([
        [0, 8],
        [8, 9],
      ]);
    });

    it("finds the old branch again", async () => {
      const bench = await benches.openWith();
      await bench.turn("a", "one ", "two ");
      await bench.turn("a", "one two t", "hree ");
      await bench.turn("a", "one two FOUR ", "five");
      expect(spans((await bench.plan("a", "one two three !")).stored)).toEqual([
        [0, 8],
        [8, 6],
      ]);
    });

    it("loses the answer alone where the reservation was cut at the prompt", async () => {
      const bench = await benches.openWith({ cutAtPrompt: true });
      await bench.turn("a", "question ", "answer");
      const regenerated = await bench.plan("a", "question again");
      expect(spans(regenerated.stored)).toEqual([[0, 9]]);
      expect(regenerated.limit).toBe("diverged");
    });
  });

  describe("two turns of one session at a time", () => {
    it("lets the second wait until the first has reported, and store after it [e]", async () => {
      const bench = await benches.openWith();
      const first = await bench.plan("a", "one ");
      const waiting = bench.plan("a", "one two");
      await until(() => bench.clock.pendingTimers === 1);
      await bench.commit(first, ["one ", "1"]);

      const second = await waiting;
      expect(freshOf(second)).toMatchObject([
        { kvUri: "file:///a", kvStart: 8 * SMALL_TOKEN_BYTES },
      ]);
      expect(bench.clock.pendingTimers).toBe(0);
    });

    it("lets the second wait until the first was aborted, and store in a new file", async () => {
      const bench = await benches.openWith();
      const first = await bench.plan("a", "one ");
      const waiting = bench.plan("a", "one two");
      await until(() => bench.clock.pendingTimers === 1);
      await bench.desk.abort(turnOf(first), "client_gone");
      const [part] = freshOf(await waiting);
      expect(part?.kvUri).toMatch(/^file:\/\/\/a\.e\d+$/);
    });

    it("lets the second go without a reservation when it has waited long enough", async () => {
      const bench = await benches.openWith();
      await bench.turn("a", "one ", "two ");
      await bench.plan("a", "one two three");
      const waiting = bench.plan("a", "one two four");
      await until(() => bench.clock.pendingTimers === 1);
      await bench.clock.advance(POLICY.waitMs);
      const plan = await waiting;
      expect(plan.fresh).toEqual({ kind: "none", reason: "busy" });
      expect(spans(plan.stored)).toEqual([[0, 8]]);
      const file = await bench.catalog.file({ location: "disk", name: "a" as never });
      expect(file?.leasedUntilMs).toBe(plan.deadlineMs);
    });

    it("lets the second take over when the first is past its deadline", async () => {
      const bench = await benches.openWith({ waitMs: 10 * POLICY.turnMs });
      const first = await bench.plan("a", "one ");
      const waiting = bench.plan("a", "one two");
      await until(() => bench.clock.pendingTimers === 1);
      await bench.clock.advance(POLICY.turnMs);
      expect(freshOf(await waiting)[0]?.kvUri).not.toBe(freshOf(first)[0]?.kvUri);
    });

    it("waits for nobody where too many wait already", async () => {
      const bench = await benches.openWith({ waitingLimit: 0 });
      await bench.plan("a", "one ");
      const plan = await bench.plan("a", "one ");
      expect(plan.fresh).toEqual({ kind: "none", reason: "busy" });
    });

    it("gives the second a file of its own where turns branch [e]", async () => {
      const bench = await benches.openWith({ whenBusy: "branch" });
      await bench.turn("a", "one ", "two ");
      const first = await bench.plan("a", "one two three ");
      const second = await bench.plan("a", "one two four ");
      expect(freshOf(first)[0]?.kvUri).toBe("file:///a");
      expect(freshOf(second)).toMatchObject([{ tokenStart: 8, kvStart: 0 }]);
      expect(freshOf(second)[0]?.kvUri).not.toBe("file:///a");

      await bench.commit(second, ["one two four ", "4"]);
      await bench.commit(first, ["one two three ", "3"]);
      await bench.desk.settled();
      expect(spans((await bench.plan("a", "one two four 4!")).stored)).toEqual([
        [0, 8],
        [8, 6],
      ]);
    });

    it("lets the second go when the session has ended", async () => {
      const bench = await benches.openWith();
      await bench.plan("a", "one ");
      const waiting = bench.plan("a", "one two");
      await until(() => bench.clock.pendingTimers === 1);
      expect(await bench.desk.end(session("a"))).toBe(true);
      expect((await waiting).fresh).toEqual({ kind: "none", reason: "no_session" });
    });

    it.each(["wait", "branch"] as const)(
      "hands no byte range out twice to many at a time that %s",
      async (whenBusy) => {
        const bench = await benches.openWith({ whenBusy });
        const names = Array.from({ length: 10 }, (_, at) => `s-${at}`);
        for (const name of names) await bench.create(name);
        const turn = async (name: string, prompt: string) => {
          const plan = await bench.plan(name, prompt);
          await bench.commit(plan, [prompt, "answer"]);
          return freshOf(plan);
        };
        const prompts = Array.from({ length: 8 }, (_, at) => `prompt ${at}`);
        const all = names.flatMap((name) => prompts.map((prompt) => turn(name, prompt)));
        const parts = (await Promise.all(all)).flat();
        await bench.desk.settled();
        expect(parts).toHaveLength(80);
        const bytes = parts.flatMap(({ kvUri, kvStart, tokenLength }) =>
          Array.from({ length: tokenLength }, (_, at) => `${kvUri} ${kvStart / 32 + at}`),
        );
        expect(new Set(bytes).size).toBe(bytes.length);
      },
    );

    it("ends all waiting when it is closed", async () => {
      const bench = await benches.openWith();
      await bench.plan("a", "one ");
      const waiting = bench.plan("a", "one two");
      await until(() => bench.clock.pendingTimers === 1);
      await bench.desk.close();
      expect((await waiting).fresh).toEqual({ kind: "none", reason: "busy" });
    });
  });

  describe("commit", () => {
    it("answers before the bytes are verified, and lists nothing until they are [a]", async () => {
      const bench = await benches.openWith();
      const verdict = Promise.withResolvers<Verdict>();
      bench.verifier.verdict = () => verdict.promise;
      const plan = await bench.plan("a", "one ");
      const outcome = await bench.commit(plan, ["one ", "two"]);
      expect(outcome).toMatchObject({ kind: "accepted", pending: [{ tokenLength: 7 }] });
      expect((await bench.plan("a", "one two!")).stored).toEqual([]);

      verdict.reject(new Error("read nothing"));
      await bench.desk.settled();
      expect(await bench.catalog.segments(session("a"))).toEqual([]);
      expect(bench.seen).toContain("settled dropped");
      expect(bench.seen).toContain("unverified AppError: read nothing");
    });

    it("is refused after the deadline, and nothing is listed", async () => {
      const bench = await benches.openWith();
      const plan = await bench.plan("a", "one ");
      await bench.clock.advance(POLICY.turnMs);
      const late = await bench.commit(plan, ["one ", "two"]);
      expect(late).toEqual({ kind: "conflict", reason: "unknown_turn" });
      expect((await bench.plan("a", "one two!")).stored).toEqual([]);
    });

    it("is taken by another process than the one that planned", async () => {
      const bench = await benches.openWith();
      const plan = await bench.plan("a", "one ");
      bench.restart();
      await bench.commit(plan, ["one ", "two "]);
      await bench.desk.settled();
      expect(spans((await bench.plan("a", "one two !")).stored)).toEqual([[0, 8]]);
    });

    it("is refused the second time", async () => {
      const bench = await benches.openWith();
      const verdict = Promise.withResolvers<Verdict>();
      bench.verifier.verdict = () => verdict.promise;
      const plan = await bench.plan("a", "one ");
      await bench.commit(plan, ["one ", "two"]);
      const again = await bench.commit(plan, ["one ", "two"]);
      expect(again).toEqual({ kind: "conflict", reason: "already_reported" });
      verdict.resolve(UNVERIFIED);
    });

    it("is refused with another prompt than it was planned for, and may come again", async () => {
      const bench = await benches.openWith();
      const plan = await bench.plan("a", "one ");
      const other = { kind: "conflict", reason: "other_prompt" };
      expect(await bench.commit(plan, ["ONE ", "two"])).toEqual(other);
      const tokenizer = { ...tokens("one "), kind: "tokenizer" } as const;
      expect(await bench.commit(plan, ["one ", "two"], { prompt: tokenizer })).toEqual(other);
      expect(await bench.commit(plan, ["one ", "two"])).toMatchObject({ kind: "accepted" });
    });

    it("drops the turn's segments where too many turns are being verified", async () => {
      const bench = await benches.openWith({ settlingLimit: 0 });
      await bench.turn("a", "one ", "two ");
      expect(bench.seen).toContain("unverified queue_full");
      expect(await bench.catalog.segments(session("a"))).toEqual([]);
    });

    it("frees the session for its next turn, however little was stored", async () => {
      const bench = await benches.openWith();
      const plan = await bench.plan("a", "one ");
      const nothing = await bench.commit(plan, ["one ", "two"], { segments: [] });
      expect(nothing).toMatchObject({ pending: [], dropped: [{ reason: "omitted" }] });
      const next = await bench.plan("a", "one ");
      expect(freshOf(next)).toMatchObject([{ kvUri: "file:///a", kvStart: 256 }]);
    });
  });

  describe("abort", () => {
    it("seals the file, and the next plan opens one of a new epoch", async () => {
      const bench = await benches.openWith();
      await bench.turn("a", "one ", "two ");
      const plan = await bench.plan("a", "one two three");
      expect(await bench.desk.abort(turnOf(plan), "engine_failed")).toBe(true);
      expect(await bench.desk.abort(turnOf(plan), "engine_failed")).toBe(false);

      const next = await bench.plan("a", "one two three");
      expect(spans(next.stored)).toEqual([[0, 8]]);
      expect(freshOf(next)).toMatchObject([{ tokenStart: 8, kvStart: 0 }]);
      expect(freshOf(next)[0]?.kvUri).toMatch(/^file:\/\/\/a\.e\d+$/);
      expect(bench.seen.filter((line) => line.startsWith("aborted"))).toEqual([
        "aborted engine_failed",
      ]);
    });

    it("lists nothing that an engine writes and reports after it", async () => {
      const bench = await benches.openWith();
      const plan = await bench.plan("a", "one ");
      await bench.desk.abort(turnOf(plan), "client_gone");
      for (const segment of written(plan, 7)) await bench.write(segment);
      expect(await bench.commit(plan, ["one ", "two"])).toMatchObject({ kind: "conflict" });
      expect(await bench.catalog.segments(session("a"))).toEqual([]);
    });
  });

  describe("sessions", () => {
    it("loads and stores nothing for one that there is not", async () => {
      const bench = await benches.openWith();
      expect(await bench.plan("b", "one ")).toMatchObject({
        stored: [],
        limit: "no_session",
        fresh: { kind: "none", reason: "no_session" },
      });
    });

    it("loads and stores nothing for one that has expired", async () => {
      const bench = await benches.openWith();
      await bench.turn("a", "one ", "two ");
      await bench.clock.advance(3_600_000);
      await settle();
      expect(await bench.plan("a", "one two!")).toMatchObject({ stored: [], limit: "no_session" });
    });

    it("lets a fork load what its parent stored, and store in a file of its own", async () => {
      const bench = await benches.openWith();
      await bench.turn("a", "one ", "two ");
      await bench.sessions.fork(session("a"), "b");
      const plan = await bench.plan("b", "one two three");
      expect(plan.stored).toMatchObject([{ tokenLength: 8, kvUri: "file:///a" }]);
      expect(freshOf(plan)).toMatchObject([{ tokenStart: 8, kvUri: "file:///b", kvStart: 0 }]);
    });

    it("is not made for a model that there is not", async () => {
      const bench = await benches.openWith();
      const refused = { kind: "refused", reason: "unknown_model" };
      const open = { session: session("b"), model: "other", retention: RETENTION };
      expect(await bench.sessions.create(open)).toEqual(refused);
    });

    it("finds nothing that another tenant stored of the same prompt", async () => {
      const bench = await benches.openWith();
      await bench.turn("a", "one ", "two ");
      await bench.create("t/a");
      expect(await bench.plan("t/a", "one two!")).toMatchObject({
        stored: [],
        limit: "nothing_stored",
      });
    });
  });

  describe("between two rules of the catalog", () => {
    it("plans again when a segment that was matched is gone", async () => {
      const bench = await benches.open({}, (catalog) => ({
        ...catalog,
        reserve: async (request) => {
          for (const { segment } of request.listed) await condemn(catalog, segment);
          return catalog.reserve(request);
        },
      }));
      await bench.create("a");
      await bench.turn("a", "one ", "two ");
      const plan = await bench.plan("a", "one two three");
      expect(plan).toMatchObject({ stored: [], limit: "nothing_stored" });
      expect(spans(freshOf(plan))).toEqual([[0, 17]]);
    });

    it("waits for no turn that has just ended", async () => {
      const bench = await benches.open({}, (catalog) => ({
        ...catalog,
        reserve: async (request) => {
          const outcome = await catalog.reserve(request);
          const { nowMs } = request;
          if (outcome.kind === "busy") await catalog.abort({ turn: outcome.turn, nowMs });
          return outcome;
        },
      }));
      await bench.create("a");
      await bench.plan("a", "one ");
      expect(freshOf(await bench.plan("a", "one "))).toHaveLength(1);
    });
  });

  it("finds by page digests what was stored by ids", async () => {
    const bench = await benches.openWith();
    const text = "x".repeat(64) + "y".repeat(64);
    await bench.turn("a", text.slice(0, 60), text.slice(60, 64));
    await bench.turn("a", text.slice(0, 65), text.slice(65, 128));
    const segments = await bench.catalog.segments(session("a"));
    const grid = segments.flatMap(({ chain }) => (chain === undefined ? [] : [chain.end.grid]));
    const paged = { kind: "engine", context: {}, grid, ids: [1] } as const;
    const plan = await bench.plan("a", paged);
    expect(spans(plan.stored)).toEqual([
      [0, 64],
      [64, 64],
    ]);
  });
});
