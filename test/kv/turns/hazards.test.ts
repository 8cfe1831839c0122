/**
 * What engines are known to do, and what a plan does so that it harms nobody. The letters number the known hazards, a to p; those
 * of files are in `files.test.ts`, of waiting in `concurrent-turns.test.ts`, of late answers in `turn-ends.test.ts`.
 */
import { stat, truncate } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";

import type { MlaProfile } from "../../../src/kv/model/profile.ts";
import type { TokenSequence } from "../../../src/kv/turns/token-sequence.ts";
import type { PlannedSegment } from "../../../src/kv/turns/turn-plan.ts";
import { RETENTION } from "../../support/kv-desk.ts";
import { entriesIn } from "../../support/root-entries.ts";
import { SMALL } from "../../support/small-model.ts";
import { freshOf, session, spans, tokens, turnOf, written } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

/** A latent of 24 bytes in one layer, which both ranks have. */
const LATENT: MlaProfile = {
  kind: "mla",
  id: "small",
  revision: "main",
  weightVersion: "default",
  layers: 1,
  loraRank: 8,
  ropeDim: 4,
  dtype: "bf16",
  tensorParallel: 2,
  rope: {},
  pageSize: 1,
  loadThreshold: 0,
  loraAdapter: null,
};
const LATENT_TOKEN_BYTES = 24;

describe.each(CATALOGS)("hazards of engines over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  it.each<[string, Partial<TokenSequence>]>([
    ["another chain kind", { kind: "tokenizer" }],
    ["a cache salt", { context: { cacheSalt: "x" } }],
    ["an extra key", { context: { extraKey: "x" } }],
  ])("finds nothing of the same tokens under %s [c]", async (_, change) => {
    const bench = await benches.openWith();
    await bench.turn("a", "one ", "two ");
    const plan = await bench.plan("a", { ...tokens("one two!"), ...change });
    expect(plan).toMatchObject({ stored: [], limit: "diverged" });
  });

  it("finds nothing that other weights stored, and lets no turn end under others [c]", async () => {
    const bench = await benches.openWith();
    await bench.turn("a", "one ", "two ");
    const open = await bench.plan("a", "one two three");
    bench.profile = { ...SMALL, weightVersion: "2" };
    const other = { kind: "conflict", reason: "other_prompt" };
    expect(await bench.commit(open, ["one two three", ""])).toEqual(other);
    await bench.desk.abort(turnOf(open), "not_reported");
    expect((await bench.plan("a", "one two!")).stored).toEqual([]);
  });

  it.each<[string, number[][]]>([
    [
      "one two three !",
      [
        [0, 8],
        [8, 6],
      ],
    ],
    ["one two three ", [[0, 8]]],
    ["one two thr", [[0, 8]]],
    ["one two ", []],
    ["one", []],
  ])("lists less than the prompt `%s`, and nothing past it [d]", async (prompt, stored) => {
    const bench = await benches.openWith();
    await bench.turn("a", "one ", "two ");
    await bench.turn("a", "one two t", "hree ");
    expect(spans((await bench.plan("a", prompt)).stored)).toEqual(stored);
  });

  it("makes no session for who has none, and ends by itself one that nobody ends [f]", async () => {
    const bench = await benches.openWith();
    expect((await bench.plan("auto", "one ")).fresh).toEqual({
      kind: "none",
      reason: "no_session",
    });
    expect(await bench.catalog.session(session("auto"))).toBeUndefined();
    await bench.turn("a", "one ", "two ");
    await bench.clock.advance(3_600_000); // its TTL, and more than the quarantine
    const swept = await bench.catalog.sweep({
      nowMs: bench.clock.now(),
      limit: 100,
      quarantineMs: 900_000,
    });
    expect(swept).toMatchObject({ expiredSessions: 1, unlinkable: [{ name: "a" }] });
    expect(await bench.catalog.session(session("a"))).toBeUndefined();
  });

  it.each(["random", "session"] as const)(
    "gives engines URIs of the scheme and folder that the location has for them, with %s names [g]",
    async (fileNames) => {
      const bench = await benches.open({ fileNames });
      await bench.create("a");
      await bench.turn("a", "one ", "two ");
      const plan = await bench.plan("a", "one two three ");
      for (const { kvUri } of [...plan.stored, ...freshOf(plan)]) {
        expect(kvUri).toMatch(/^file:\/\/\/[A-Za-z0-9_./-]+$/);
        expect(await bench.sizeOf(kvUri)).toBeGreaterThan(0);
      }
    },
  );

  it("stores no more in a turn than its cap, so that ranks do not wait long for each other [h]", async () => {
    const bench = await benches.openWith({ reservationTokens: 6 });
    const plan = await bench.plan("a", "one two three ", { maxNewTokens: 100 });
    expect(spans(freshOf(plan))).toEqual([[0, 6]]);
    await bench.commit(plan, ["one two three ", "4"]);
    await bench.desk.settled();
    expect(spans((await bench.plan("a", "one two three 4")).stored)).toEqual([[0, 6]]);
  });

  it.each([["../../etc/passwd"], ["/etc/passwd"], [".."], ["a/b"], ["a.b"], ["x".repeat(129)]])(
    "makes no path of the session %s [i]",
    async (id) => {
      const bench = await benches.openWith();
      const key = { tenant: "", id };
      await bench.sessions.create({ session: key, model: SMALL.id, retention: RETENTION });
      const plan = await bench.plan("a", "one ", { session: key });
      expect(freshOf(plan)).toMatchObject([{ kvUri: "file:///e1" }]);
      expect(await entriesIn(bench.root)).toEqual(["e1"]);
    },
  );

  it.each([
    ["file:///../outside"],
    ["file:///etc/passwd"],
    ["file:///a/../a"],
    ["file:///b"],
    ["http://elsewhere/a"],
    [""],
  ])("believes no engine that has written to %s, and seals the file [i]", async (kvUri) => {
    const bench = await benches.openWith();
    const plan = await bench.plan("a", "one ");
    const segments = freshOf(plan).map((part) => ({ ...part, kvUri }));
    expect(await bench.commit(plan, ["one ", "two "], { segments })).toMatchObject({
      pending: [],
      dropped: [{ reason: "wrong_place" }],
    });
    expect(freshOf(await bench.plan("a", "one "))[0]?.kvUri).not.toBe("file:///a");
  });

  it("gives whole segments or none, as they became durable [k]", async () => {
    const bench = await benches.openWith();
    await bench.turn("a", "one two three ", "four ");
    await bench.turn("a", "one two three four f", "ive ");
    const plan = await bench.plan("a", "one two three four f!");
    expect(plan.stored).toEqual([
      { tokenStart: 0, tokenLength: 19, kvUri: "file:///a", kvStart: 0 },
    ]);
    expect(freshOf(plan)).toMatchObject([{ tokenStart: 19 }]);
  });

  it.each([[32], [16], [undefined]])(
    "takes %s bytes for each token of two ranks as a length, and echoes none [l]",
    async (tokenBytes) => {
      const bench = await benches.open({
        profile: { ...SMALL, kvHeads: 2, headDim: 4, tensorParallel: 2 },
      });
      await bench.create("a");
      const plan = await bench.plan("a", "one ");
      const segments = freshOf(plan).map((part) => ({
        ...part,
        kvLength: tokenBytes === undefined ? undefined : part.tokenLength * tokenBytes,
      }));
      await bench.commit(plan, ["one ", "two "], { segments });
      await bench.desk.settled();
      const next = await bench.plan("a", "one two !");
      const names = ["tokenStart", "tokenLength", "kvUri", "kvStart"];
      expect(next.stored.map(Object.keys)).toEqual([names]);
      expect(freshOf(next).map(Object.keys)).toEqual([names]);
    },
  );

  it("lists nothing of which a rank would find less than all, since the others would wait for it [m]", async () => {
    const bench = await benches.open({
      profile: { ...SMALL, kvHeads: 2, headDim: 4, tensorParallel: 2 },
    });
    await bench.create("a");
    await bench.turn("a", "one ", "two ");
    const path = bench.pathOf("file:///a");
    await truncate(path, (await stat(path)).size - 1); // the last byte of the last rank
    const plan = await bench.plan("a", "one two !");
    expect(plan).toMatchObject({ stored: [], limit: "file_damaged" });
  });

  it("gives ranks of a latent one copy of it at one place, which no rank's number moves [n]", async () => {
    const bench = await benches.open({ profile: LATENT });
    await bench.create("a");
    await bench.turn("a", "one ", "two ");
    const plan = await bench.plan("a", "one two three");
    const at = { kvStart: 8 * LATENT_TOKEN_BYTES };
    expect(plan.stored).toMatchObject([{ tokenLength: 8, kvStart: 0 }]);
    expect(freshOf(plan)).toMatchObject([{ tokenStart: 8, ...at }]);
    const twice = freshOf(plan).map((part) => ({
      ...part,
      kvLength: part.tokenLength * LATENT_TOKEN_BYTES * LATENT.tensorParallel,
    }));
    const outcome = await bench.commit(plan, ["one two three", "1234"], { segments: twice });
    expect(outcome).toMatchObject({ pending: [], dropped: [{ reason: "wrong_length" }] });
  });

  it.each([
    [7, 8],
    [8, 0],
  ])(
    "goes by the threshold of the model, %i, and offers %i of 8 stored tokens [o]",
    async (loadThreshold, storedTokens) => {
      const bench = await benches.open({ profile: { ...SMALL, loadThreshold } });
      await bench.create("a");
      await bench.turn("a", "one ", "two ");
      const plan = await bench.plan("a", "one two !");
      expect(plan.storedTokens).toBe(storedTokens);
      expect(plan.limit).toBe(storedTokens === 0 ? "below_threshold" : "end_of_stored");
    },
  );

  it("drops a segment whose length in bytes is of no rank and not of all [l]", async () => {
    const bench = await benches.openWith();
    const plan = await bench.plan("a", "one ");
    const segments = freshOf(plan).map((part) => ({ ...part, kvLength: 33 * part.tokenLength }));
    const outcome = await bench.commit(plan, ["one ", "two "], { segments });
    expect(outcome).toMatchObject({ pending: [], dropped: [{ reason: "wrong_length" }] });
  });

  it("drops a segment of more tokens than the engine is known to have [c]", async () => {
    const bench = await benches.openWith();
    const plan = await bench.plan("a", "one ", { maxNewTokens: 4 });
    const outcome = await bench.commit(plan, ["one ", "tw"], { segments: freshOf(plan) });
    expect(outcome).toMatchObject({ pending: [], dropped: [{ reason: "wrong_length" }] });
  });

  describe("of several reserved segments [p]", () => {
    const PROMPT = "one two ";
    const OUTPUT = "three ";

    async function commitOf(change: (parts: PlannedSegment[]) => PlannedSegment[]) {
      const bench = await benches.openWith({ cutAtPrompt: true });
      const plan = await bench.plan("a", PROMPT, { maxNewTokens: OUTPUT.length });
      expect(spans(freshOf(plan))).toEqual([
        [0, 8],
        [8, 6],
      ]);
      const segments = change(written(plan, PROMPT.length + OUTPUT.length));
      const outcome = await bench.commit(plan, [PROMPT, OUTPUT], { segments });
      await bench.desk.settled();
      const next = await bench.plan("a", `${PROMPT}${OUTPUT}!`);
      return { outcome, stored: spans(next.stored), bench };
    }

    it("lists all, in whatever order they are reported", async () => {
      const { stored } = await commitOf((parts) => parts.toReversed());
      expect(stored).toEqual([
        [0, 8],
        [8, 6],
      ]);
    });

    it("lists the first where the second was omitted", async () => {
      const { stored, outcome } = await commitOf((parts) => parts.slice(0, 1));
      expect(stored).toEqual([[0, 8]]);
      expect(outcome).toMatchObject({ dropped: [{ reason: "omitted" }] });
    });

    it("lists a second that is shorter", async () => {
      const { stored } = await commitOf(([first, second]) =>
        first === undefined || second === undefined ? [] : [first, { ...second, tokenLength: 2 }],
      );
      expect(stored).toEqual([
        [0, 8],
        [8, 2],
      ]);
    });

    it("takes no second after a first that is short", async () => {
      const { stored, outcome } = await commitOf(([first, second]) =>
        first === undefined || second === undefined ? [] : [{ ...first, tokenLength: 7 }, second],
      );
      expect(stored).toEqual([[0, 7]]);
      expect(outcome).toMatchObject({ dropped: [{ reason: "after_short_part" }] });
    });

    it.each([
      ["one that was not reserved", { tokenStart: 14 }],
      ["one twice", {}],
    ])("believes nothing of an answer that has %s", async (_, change) => {
      const { bench, stored } = await commitOf(([first, second]) =>
        first === undefined || second === undefined
          ? []
          : [first, second, { ...second, ...change }],
      );
      expect(stored).toEqual([]);
      expect(await bench.catalog.segments(session("a"))).toEqual([]);
    });

    it.each([[Number.NaN], [Number.POSITIVE_INFINITY], [-1], [0], [1.5], [7 + 2 ** 53], [9]])(
      "drops one of %s tokens",
      async (tokenLength) => {
        const { stored } = await commitOf(([first]) =>
          first === undefined ? [] : [{ ...first, tokenLength }],
        );
        expect(stored).toEqual([]);
      },
    );
  });
});
