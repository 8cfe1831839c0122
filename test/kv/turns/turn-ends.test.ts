/** How a turn ends: with a report of what the engine wrote, or without. */
import { afterEach, describe, expect, it } from "vitest";

import type { Verdict } from "../../../src/kv/catalog.ts";
import { UNVERIFIED } from "../../support/kv-desk.ts";
import {
  freshOf,
  POLICY,
  session,
  spans,
  tokens,
  turnOf,
  written,
} from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

describe.each(CATALOGS)("ends of turns over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

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

    it.each([
      ["the last one, and once, where all of it is listed", 2, 1],
      ["the last that is listed", 1, 0],
    ])("tells of %s, when all is settled", async (_, listed, last) => {
      const bench = await benches.openWith({ cutAtPrompt: true });
      const verdicts: (Verdict | undefined)[] = Array.from({ length: 2 }, (__, at) =>
        at < listed ? undefined : UNVERIFIED,
      );
      bench.verifier.verdict = async () => verdicts.shift();
      await bench.turn("a", "one ", "two ");
      const segments = await bench.catalog.segments(session("a"));
      expect(segments).toHaveLength(listed);
      expect(bench.stored).toEqual([segments[last]?.id]);
    });

    it("tells of no segment of a turn of which none is listed", async () => {
      const bench = await benches.openWith();
      bench.verifier.verdict = async () => UNVERIFIED;
      await bench.turn("a", "one ", "two ");
      expect(bench.stored).toEqual([]);
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
});
