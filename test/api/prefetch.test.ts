/** What is far, brought near before a turn, or while a plan waits for it. */
import { request } from "node:http";
import { afterEach, describe, expect, it } from "vitest";

import { CATALOGS } from "../kv/turns/catalogs.ts";
import { SMALL_TOKEN_BYTES } from "../support/small-model.ts";
import { until } from "../support/until.ts";
import { type ApiOptions, promptOf } from "./api-bench.ts";
import { ApiBenches } from "./api-benches.ts";

const NEAR = { id: "near", labels: {}, engines: true, tier: "memory" } as const;
const FAR = { id: "far", labels: {}, engines: true, tier: "remote" } as const;

const STORED = "one two three ";
const BYTES = STORED.length * SMALL_TOKEN_BYTES;
/** Of a body, and how many of those are read at once. */
const [LONGEST, AT_ONCE] = [1_000, 32];
const BROUGHT = "brought remote memory copied";

describe.each(CATALOGS)("a prefetch over the $name catalog", (kind) => {
  const benches = new ApiBenches(kind);
  afterEach(() => benches.close());

  /** A turn of session `a` is stored where no engine reaches it now. */
  async function open(options: ApiOptions = {}) {
    const opened = await benches.openWithSession({ ...options, sites: [FAR, NEAR] });
    const { bench, client } = opened;
    bench.turns.sites = [FAR];
    bench.turns.restart();
    await bench.turn(client, "a", ["one two ", "three "]);
    bench.turns.sites = [{ ...FAR, engines: false }, NEAR];
    bench.turns.restart();
    return opened;
  }

  type Opened = Awaited<ReturnType<typeof open>>;

  async function prefetch({ client }: Opened, prompt?: string) {
    const body = prompt === undefined ? null : { prompt: promptOf(prompt) };
    const params = { path: { id: "a" } };
    const answer = await client.POST("/v1/sessions/{id}/prefetch", { params, body });
    expect(answer.response.status).toBe(202);
    return answer.data;
  }

  async function plan({ client }: Opened, wait_ms: number) {
    const { data, error } = await client.POST("/v1/sessions/{id}/plan", {
      params: { path: { id: "a" } },
      body: { prompt: promptOf("one two three four"), max_new_tokens: 0, wait_ms },
    });
    return data ?? error;
  }

  it("brings all that the session has, and says what is near and what is on its way", async () => {
    const opened = await open();
    const answer = { segments: 1, bytes: BYTES };
    expect(await prefetch(opened)).toEqual({ ...answer, near_bytes: 0, queued_bytes: BYTES });
    await until(() => opened.bench.turns.seen.includes(BROUGHT));
    expect(await prefetch(opened)).toEqual({ ...answer, near_bytes: BYTES, queued_bytes: 0 });
    expect(await plan(opened, 0)).toMatchObject({ stored_tokens: STORED.length });
  });

  it("brings of a prompt what is stored of it, and nothing of another", async () => {
    const opened = await open();
    const nothing = { segments: 0, bytes: 0, near_bytes: 0, queued_bytes: 0 };
    expect(await prefetch(opened, "two")).toEqual(nothing);
    expect(await prefetch(opened, `${STORED}!`)).toMatchObject({ queued_bytes: BYTES });
    await until(() => opened.bench.turns.seen.includes(BROUGHT));
  });

  it("brings nothing to where not every engine reaches it, since nobody knows which one will ask", async () => {
    const opened = await open();
    const { turns } = opened.bench;
    turns.sites = [
      { ...FAR, engines: false },
      { ...NEAR, labels: { node: "1" } },
    ];
    turns.restart();
    expect(await prefetch(opened)).toMatchObject({ near_bytes: 0, queued_bytes: 0 });
  });

  it("is of the tenant's own sessions alone", async () => {
    const { bench, client } = await open();
    const params = (id: string) => ({ params: { path: { id } }, body: null });
    const others = bench.client({ tenant: "t" });
    const answers = await Promise.all([
      others.POST("/v1/sessions/{id}/prefetch", params("a")),
      client.POST("/v1/sessions/{id}/prefetch", params("none")),
    ]);
    expect(answers.map(({ response }) => response.status)).toEqual([404, 404]);
    expect(bench.turns.seen).not.toContain(BROUGHT);
  });

  it("may be what a plan waits for, as long as its caller says", async () => {
    const opened = await open();
    expect(await plan(opened, 60_001)).toMatchObject({ code: "request_invalid" });
    expect(await plan(opened, 60_000)).toMatchObject({ stored_tokens: STORED.length });
    expect(opened.bench.turns.seen).toContain("held near 0");
  });

  /** Copies to where it is near end no sooner than this resolves. */
  function holdCopies({ bench }: Opened) {
    const near = bench.turns.location("near");
    if (near === undefined) throw new Error("there is such a place");
    const opening = Promise.withResolvers<void>();
    const put = near.put.bind(near);
    near.put = async (...args) => {
      await opening.promise;
      return put(...args);
    };
    return opening;
  }

  it("keeps no prompt from being read while plans wait for it, of which only so many do", async () => {
    const opened = await open({ bodyLimitBytes: LONGEST });
    const opening = holdCopies(opened);
    const ask = async (wait_ms: number) => {
      const prompt = promptOf("one two three four");
      const body = JSON.stringify({ prompt, wait_ms }).padEnd(LONGEST);
      const headers = { "content-type": "application/json" };
      const url = `${opened.bench.url}/v1/sessions/a/plan`;
      return (await fetch(url, { method: "POST", headers, body })).json();
    };
    let answered = 0;
    const waiting = Array.from({ length: AT_ONCE }, () => ask(60_000).finally(() => answered++));
    await until(() => opened.bench.turns.clock.pendingTimers === AT_ONCE);
    expect(await ask(0)).toMatchObject({ stored_tokens: 0 });
    expect(await ask(60_000)).toMatchObject({ stored_tokens: 0 });
    expect(answered).toBe(0);
    opening.resolve();
    const stored = { stored_tokens: STORED.length };
    expect(await Promise.all(waiting)).toMatchObject(waiting.map(() => stored));
  });

  it("is cancelled when the caller of such a plan leaves", async () => {
    const opened = await open();
    const { turns } = opened.bench;
    const opening = holdCopies(opened);
    const path = `${opened.bench.url}/v1/sessions/a/plan`;
    const headers = { "content-type": "application/json" };
    const asking = request(path, { method: "POST", headers, agent: false });
    asking.on("error", () => {}); // it is cut off
    asking.end(JSON.stringify({ prompt: promptOf("one two three four"), wait_ms: 60_000 }));
    await until(() => turns.clock.pendingTimers > 0);
    asking.destroy();
    await until(() => turns.seen.includes("held left 0"));
    opening.resolve();
    await until(() => turns.seen.includes("brought remote memory cancelled"));
    expect((await turns.catalog.locationUsage("near")).bookedBytes).toBe(0);
  });
});
