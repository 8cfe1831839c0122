/** The second turn waits for the first, goes without a reservation, or branches. */
import { afterEach, describe, expect, it } from "vitest";

import { SMALL_TOKEN_BYTES } from "../../support/small-model.ts";
import { freshOf, POLICY, session, spans, turnOf } from "../../support/turn-bench.ts";
import { until } from "../../support/until.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

describe.each(CATALOGS)("two turns of one session at a time, over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  it("lets the second wait until the first has reported, and store after it [e]", async () => {
    const bench = await benches.openWith();
    const first = await bench.plan("a", "one ");
    const waiting = bench.plan("a", "one two");
    await until(() => bench.clock.pendingTimers === 1);
    await bench.commit(first, ["one ", "1"]);

    const second = await waiting;
    expect(freshOf(second)).toMatchObject([{ kvUri: "file:///a", kvStart: 8 * SMALL_TOKEN_BYTES }]);
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

  it("reserves nothing for the second when its client leaves meanwhile", async () => {
    const bench = await benches.openWith({ waitingLimit: 1 });
    const client = new AbortController();
    const hold = { signal: client.signal, untilMs: POLICY.turnMs };
    const first = await bench.plan("a", "one ");
    const leaving = bench.plan("a", "one two", { hold });
    await until(() => bench.clock.pendingTimers === 1);
    client.abort();
    expect((await leaving).fresh).toEqual({ kind: "none", reason: "client_gone" });

    const staying = bench.plan("a", "one three");
    await until(() => bench.clock.pendingTimers === 1);
    await bench.commit(first, ["one ", "1"]);
    expect(freshOf(await staying)[0]?.kvUri).toBe("file:///a");
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

  it.each(["wait", "branch"] as const)(
    "aborts the first where nobody will report it any more, so that the second need not %s",
    async (whenBusy) => {
      const bench = await benches.openWith({ whenBusy });
      await bench.plan("a", "one ", { engine: "lost" });
      bench.isLost = (engine) => engine === "lost";
      bench.restart();
      const second = await bench.plan("a", "one two ", { engine: "here" });
      expect(freshOf(second)[0]?.kvUri).toMatch(/^file:\/\/\/a\.e\d+$/);
      expect((await bench.catalog.session(session("a")))?.turns).toEqual([turnOf(second)]);

      await bench.commit(second, ["one two ", "3"], { engine: async () => "here" });
      const third = await bench.plan("a", "one two 3!");
      expect(freshOf(third)[0]?.kvUri).toBe(freshOf(second)[0]?.kvUri);
    },
  );

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
    const planned: unknown[] = [];
    void waiting.then(({ fresh }) => planned.push(fresh));
    await bench.desk.close();
    expect(planned).toEqual([{ kind: "none", reason: "busy" }]);
  });

  it("lets nobody wait while it drains, and plans for who need not", async () => {
    const bench = await benches.openWith();
    await bench.create("b");
    await bench.plan("a", "one ");
    const waiting = bench.plan("a", "one two");
    await until(() => bench.clock.pendingTimers === 1);
    bench.desk.drain();
    expect((await waiting).fresh).toEqual({ kind: "none", reason: "busy" });
    expect((await bench.plan("a", "one")).fresh).toEqual({ kind: "none", reason: "busy" });
    expect(freshOf(await bench.plan("b", "one"))).toHaveLength(1);
  });

  it("takes no work when it is closed", async () => {
    const bench = await benches.openWith();
    await bench.desk.close();
    await expect(bench.plan("a", "one ")).rejects.toMatchObject({ code: "internal" });
  });
});
