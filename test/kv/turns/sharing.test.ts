/** What sessions and tenants have of each other's segments, in turns. */
import { afterEach, describe, expect, it } from "vitest";

import type { SegmentId } from "../../../src/kv/records.ts";
import { freshOf, session, spans, tokens, type TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

describe.each(CATALOGS)("sharing over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  /** The session `a` of the tenant `t` has "one two " and "three ", with another end of its second turn. */
  async function opened(): Promise<TurnBench> {
    const bench = await benches.open({ policy: { cutAtPrompt: false } });
    for (const name of ["t/a", "t/b", "u/a", "v/a"]) await bench.create(name);
    await bench.turn("t/a", "one ", "two ");
    await bench.turn("t/a", "one two ", "three ");
    return bench;
  }

  const paper = { tenant: "t", name: "paper" };
  const open = { prefix: paper, session: "a", tokens: 8, to: ["u"], ttlMs: undefined };

  it("gives the first tokens of a session to those that its prefix is open to", async () => {
    const bench = await opened();
    expect(await bench.sessions.createPrefix(open)).toMatchObject({ kind: "created" });
    await bench.desk.end(session("t/a"));
    expect(spans((await bench.plan("u/a", "one two three!")).stored)).toEqual([[0, 8]]);
    expect(spans((await bench.plan("t/b", "one two three!")).stored)).toEqual([[0, 8]]);
    expect((await bench.plan("v/a", "one two three!")).stored).toEqual([]);
  });

  it("gives nothing of a tenant that the reader does not trust, whoever it opens a prefix to", async () => {
    const bench = await opened();
    bench.trusts.set("u", ["v"]);
    await bench.sessions.createPrefix(open);
    const everyone = { ...open, prefix: { tenant: "t", name: "all" }, to: "everyone" } as const;
    await bench.sessions.createPrefix(everyone);
    expect(await bench.plan("u/a", "one two three!")).toMatchObject({ stored: [] });
    const look = { session: session("u/a"), prompt: tokens("one two three!") };
    expect(await bench.desk.explain(look)).toMatchObject({ segments: [], prefixes: [] });
    const ids = (await bench.catalog.segments(session("t/a"))).map(({ id }) => id).slice(0, 1);
    const refused = { kind: "refused", reason: "no_segment" };
    expect(await bench.sessions.attach(session("u/a"), ids)).toEqual(refused);
  });

  it("keeps what a session has read of a tenant that is not trusted any more", async () => {
    const bench = await opened();
    await bench.sessions.createPrefix(open);
    await bench.turn("u/a", "one two ", "four");
    bench.trusts.set("u", []);
    expect((await bench.plan("u/a", "one two four!")).storedTokens).toBe(12);
  });

  it("keeps what a session has read of a prefix, when the prefix is removed", async () => {
    const bench = await opened();
    await bench.sessions.createPrefix(open);
    const plan = await bench.plan("u/a", "one two four");
    expect(spans(freshOf(plan))).toEqual([[8, 8]]);
    await bench.commit(plan, ["one two four", " 5"]);
    await bench.desk.settled();
    await bench.catalog.removePrefix(paper, bench.clock.now());
    await bench.desk.end(session("t/a"));
    expect(spans((await bench.plan("u/a", "one two four 5 6")).stored)).toEqual([
      [0, 8],
      [8, 6],
    ]);
  });

  it("lets a prefix go when its time is over", async () => {
    const bench = await opened();
    await bench.sessions.createPrefix({ ...open, ttlMs: 1_000 });
    await bench.clock.advance(999);
    expect((await bench.plan("u/a", "one two three!")).storedTokens).toBe(8);
    await bench.desk.end(session("u/a"));
    await bench.create("u/a");
    await bench.clock.advance(1);
    expect((await bench.plan("u/a", "one two three!")).storedTokens).toBe(0);
  });

  it("attaches what another session has, where its model would find it", async () => {
    const bench = await opened();
    const ids = (await bench.catalog.segments(session("t/a"))).map(({ id }) => id);
    expect(await bench.sessions.attach(session("t/b"), ids)).toMatchObject({ kind: "attached" });
    await bench.desk.end(session("t/a"));
    expect((await bench.plan("t/b", "one two three four")).storedTokens).toBe(14);
    const refused = (reason: string) => ({ kind: "refused", reason });
    expect(await bench.sessions.attach(session("u/a"), ids)).toEqual(refused("no_segment"));
    const unknown = ["none.0" as SegmentId];
    expect(await bench.sessions.attach(session("t/b"), unknown)).toEqual(refused("no_segment"));
    expect(await bench.sessions.attach(session("t/x"), ids)).toEqual(refused("no_session"));
    bench.profile = { ...bench.profile, revision: "another" };
    expect(await bench.sessions.attach(session("t/b"), ids)).toEqual(refused("other_model"));
  });

  it("attaches what is in a prefix to a session of another tenant", async () => {
    const bench = await opened();
    const [first] = await bench.catalog.segments(session("t/a"));
    await bench.sessions.createPrefix(open);
    const ids = first === undefined ? [] : [first.id];
    expect(await bench.sessions.attach(session("u/a"), ids)).toMatchObject({ kind: "attached" });
    await bench.catalog.removePrefix(paper, bench.clock.now());
    expect((await bench.plan("u/a", "one two three!")).storedTokens).toBe(8);
  });

  it("makes no prefix of nothing, or of no session", async () => {
    const bench = await opened();
    const refused = (reason: string) => ({ kind: "refused", reason });
    const none = { ...open, tokens: 7 };
    expect(await bench.sessions.createPrefix(none)).toEqual(refused("no_segment"));
    const nobody = { ...open, session: "x" };
    expect(await bench.sessions.createPrefix(nobody)).toEqual(refused("no_session"));
  });
});
