/** What a turn finds of those before it: of a prompt that was edited, in its session or of its tenant, and while a plan is made. */
import { afterEach, describe, expect, it } from "vitest";

import { createDigests } from "../../../src/digests.ts";
import { geometryKey } from "../../../src/kv/model/geometry-key.ts";
import type { ModelProfile } from "../../../src/kv/model/profile.ts";
import { settle } from "../../support/fake-clock.ts";
import { condemn, RETENTION } from "../../support/kv-desk.ts";
import { SMALL } from "../../support/small-model.ts";
import { freshOf, session, spans } from "../../support/turn-bench.ts";
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

    it("is planned for engines of its model, and for no others", async () => {
      const bench = await benches.openWith();
      const geometryOf = (profile: ModelProfile) =>
        geometryKey({ profile, chainKind: "engine" }, createDigests());
      const same = await bench.plan("a", "one ", { geometry: geometryOf(SMALL) });
      expect(same.limit).toBe("nothing_stored");
      const geometry = geometryOf({ ...SMALL, weightVersion: "2" });
      expect(await bench.plan("a", "one ", { geometry })).toMatchObject({
        stored: [],
        limit: "other_model",
        fresh: { kind: "none", reason: "other_model" },
      });
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
