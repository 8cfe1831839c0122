/** Plans, commits and aborts, as an engine's router sends them. */
import { afterEach, describe, expect, it } from "vitest";

import type { KvClient } from "../../client/index.ts";
import type { paths } from "../../client/schema.d.ts";
import { createDigests } from "../../src/digests.ts";
import type { Verdict } from "../../src/kv/catalog.ts";
import { tokenChain } from "../../src/kv/chain/chain-format.ts";
import { SequenceChain } from "../../src/kv/turns/token-sequence.ts";
import { CATALOGS } from "../kv/turns/catalogs.ts";
import { tokens } from "../support/turn-bench.ts";
import { type ApiOptions, idsOf, promptOf } from "./api-bench.ts";
import { ApiBenches } from "./api-benches.ts";

describe.each(CATALOGS)("turns over HTTP and the $name catalog", (kind) => {
  const benches = new ApiBenches(kind);
  const open = (options: ApiOptions = {}) => benches.openWithSession(options);
  afterEach(() => benches.close());

  function commit(client: KvClient, turn: string | null, body: Partial<CommitBody>) {
    return client.POST("/v1/turns/{turn}/commit", {
      params: { path: { turn: turn ?? "" }, query: { wait: "settled" } },
      body: { prompt: promptOf("one"), output_ids: [], fresh_kv_cache: [], ...body },
    });
  }

  function abort(client: KvClient, turn: string | null) {
    return client.POST("/v1/turns/{turn}/abort", {
      params: { path: { turn: turn ?? "" } },
      body: { reason: "engine_failed" },
    });
  }

  it("lists what was verified by the time that a commit which waits is answered", async () => {
    const { bench, client } = await open();
    const plan = await bench.plan(client, "a", ["one ", 3]);
    const fresh_kv_cache = await bench.write(plan, 7);
    const output_ids = idsOf("two");
    const answer = await commit(client, plan.turn, {
      prompt: promptOf("one "),
      output_ids,
      fresh_kv_cache,
    });
    expect(answer.response.status).toBe(200);
    expect(answer.data).toEqual({
      turn: plan.turn,
      pending: [],
      listed: [{ segment: `${plan.turn}.0`, token_start: 0, token_length: 7 }],
      dropped: [],
    });
    const next = await bench.plan(client, "a", ["one two three", 3]);
    expect(next).toMatchObject({ stored_tokens: 7, stored_kv_cache: [{ token_length: 7 }] });
  });

  it("answers at once with what is pending where nobody waits", async () => {
    const { bench, client } = await open();
    const plan = await bench.plan(client, "a", ["one", 0]);
    const fresh_kv_cache = await bench.write(plan, 3);
    const answer = await client.POST("/v1/turns/{turn}/commit", {
      params: { path: { turn: plan.turn ?? "" } },
      body: { prompt: promptOf("one"), output_ids: [], fresh_kv_cache },
    });
    expect(answer.response.status).toBe(202);
    expect(answer.data).toMatchObject({ pending: [{ token_length: 3 }], listed: [], dropped: [] });
    await bench.turns.desk.settled();
  });

  it("waits for its own bytes alone", async () => {
    const { bench, client } = await open();
    await client.POST("/v1/sessions", { body: { id: "b", model: "small" } });
    const never = Promise.withResolvers<void>();
    const slow = await bench.plan(client, "b", ["other", 0]);
    const other = await bench.write(slow, 5);
    bench.turns.verifier.verdict = async () => {
      await never.promise;
      return { kind: "dropped", reason: "unverified" };
    };
    await client.POST("/v1/turns/{turn}/commit", {
      params: { path: { turn: slow.turn ?? "" } },
      body: { prompt: promptOf("other"), output_ids: [], fresh_kv_cache: other },
    });
    bench.turns.verifier.verdict = undefined;
    expect(await bench.turn(client, "a", ["one", ""])).toMatchObject({
      listed: [{ token_length: 3 }],
    });
    never.resolve();
  });

  it("names what was dropped, and why", async () => {
    const { bench, client } = await open();
    bench.turns.verifier.verdict = async () => ({ kind: "dropped", reason: "engine_restarted" });
    const torn = await bench.turn(client, "a", ["one", ""]);
    expect(torn).toMatchObject({ listed: [], dropped: [{ reason: "engine_restarted" }] });

    const plan = await bench.plan(client, "a", ["one", 0]);
    const silent = await commit(client, plan.turn, {});
    expect(silent.data).toEqual({
      turn: plan.turn,
      pending: [],
      listed: [],
      dropped: [{ segment: `${plan.turn}.0`, reason: "omitted" }],
    });
  });

  it("lists an equal segment in place of one that was stored again", async () => {
    const { bench, client } = await open();
    await client.POST("/v1/sessions", { body: { id: "b", model: "small" } });
    const plan = await bench.plan(client, "b", ["one", 0]);
    const first = await bench.turn(client, "a", ["one", ""]);
    const fresh_kv_cache = await bench.write(plan, 3);
    const second = await commit(client, plan.turn, { fresh_kv_cache });
    expect(second.data?.listed).toEqual(first.listed);
  });

  it("commits with digests what was planned with ids", async () => {
    const { bench, client } = await open();
    const text = "x".repeat(64);
    const chain = new SequenceChain(tokens(text), tokenChain(1), createDigests());
    chain.append(tokens(text).ids);
    const digest = Buffer.from(chain.endAt(64)?.digest ?? []).toString("hex");
    const plan = await bench.plan(client, "a", [text, 3]);
    const fresh_kv_cache = await bench.write(plan, 67);
    const answer = await commit(client, plan.turn, {
      prompt: { kind: "engine", ids: [], grid: [digest] },
      output_ids: idsOf("yes"),
      fresh_kv_cache,
    });
    expect(answer.data).toMatchObject({ listed: [{ token_start: 0, token_length: 67 }] });
    expect(await bench.plan(client, "a", [`${text}yes!`, 0])).toMatchObject({ stored_tokens: 67 });
  });

  it("takes no digest for that of no tokens, from which a chain would begin anew", async () => {
    const { client } = await open();
    const plan = (grid: string[]) =>
      client.POST("/v1/sessions/{id}/plan", {
        params: { path: { id: "a" } },
        body: { prompt: { kind: "engine", ids: idsOf("one"), grid } },
      });
    const zero = "0".repeat(64);
    const one = `${"0".repeat(63)}1`;
    expect((await plan([one])).response.status).toBe(200);
    const refused = await plan([one, zero]);
    expect(refused.response.status).toBe(400);
    expect(refused.error?.errors?.[0]?.field).toBe("prompt.grid[1]");
  });

  it("takes what engines say besides, and believes no length in bytes", async () => {
    const { bench, client } = await open();
    const plan = await bench.plan(client, "a", ["one", 0]);
    const [written] = await bench.write(plan, 3);
    const said = { ...written, kv_length: null, loaded: true } as unknown as typeof written;
    const answer = await commit(client, plan.turn, {
      fresh_kv_cache: said === undefined ? [] : [said],
    });
    expect(answer.data).toMatchObject({ listed: [{ token_length: 3 }] });
  });

  it("keeps prompts of one text apart by extra key and salt", async () => {
    const { bench, client } = await open();
    await bench.turn(client, "a", ["one two", ""]);
    const salted = await client.POST("/v1/sessions/{id}/plan", {
      params: { path: { id: "a" } },
      body: { prompt: { ...promptOf("one two three"), cache_salt: "s" }, max_new_tokens: 0 },
    });
    expect(salted.data).toMatchObject({ stored_tokens: 0 });
    expect(await bench.plan(client, "a", ["one two three", 0])).toMatchObject({ stored_tokens: 7 });
  });

  it("says why nothing is reserved", async () => {
    const { bench, client } = await open({ quota: { bytes: 10, sessions: 1, pins: 0 } });
    expect(await bench.plan(client, "a", ["one", 0])).toMatchObject({
      turn: null,
      fresh_kv_cache: [],
      unreserved: "quota_bytes",
    });
  });

  it("takes a commit once", async () => {
    const { bench, client } = await open();
    const plan = await bench.plan(client, "a", ["one", 0]);
    const { promise, resolve } = Promise.withResolvers<Verdict>();
    bench.turns.verifier.verdict = () => promise;
    const body = { fresh_kv_cache: await bench.write(plan, 3) };
    const path = { params: { path: { turn: plan.turn ?? "" } } };
    const whole = { prompt: promptOf("one"), output_ids: [], ...body };
    await client.POST("/v1/turns/{turn}/commit", { ...path, body: whole });
    const again = await client.POST("/v1/turns/{turn}/commit", { ...path, body: whole });
    expect(again).toMatchObject({ response: { status: 409 }, error: { code: "turn_reported" } });
    resolve({ kind: "dropped", reason: "unverified" });
  });

  it("takes no commit of another prompt, none after the deadline, and none after an abort", async () => {
    const { bench, client } = await open();
    const plan = await bench.plan(client, "a", ["one", 0]);
    const other = await commit(client, plan.turn, { prompt: promptOf("two") });
    expect(other).toMatchObject({ response: { status: 409 }, error: { code: "turn_mismatch" } });
    expect((await abort(client, plan.turn)).response.status).toBe(204);
    const over = { response: { status: 409 }, error: { code: "turn_over" } };
    expect(await commit(client, plan.turn, {})).toMatchObject(over);
    expect(await abort(client, plan.turn)).toMatchObject(over);

    const late = await bench.plan(client, "a", ["one", 0]);
    await bench.turns.clock.advance(60_000);
    expect(await commit(client, late.turn, {})).toMatchObject(over);
  });

  it("takes an abort without a word as one of a client that is gone", async () => {
    const { bench, client } = await open();
    const { turn } = await bench.plan(client, "a", ["one", 0]);
    const aborted = await fetch(`${bench.url}/v1/turns/${turn}/abort`, { method: "POST" });
    expect(aborted.status).toBe(204);
    expect(bench.turns.seen).toContain("aborted client_gone");
  });

  it("knows no turn of another tenant, and tells it like one that is over", async () => {
    const { bench, client } = await open();
    const plan = await bench.plan(client, "a", ["one", 0]);
    const foreign = bench.client({ tenant: "red" });
    const none = await commit(foreign, "turn999-000000000000000000000000", {});
    expect((await commit(foreign, plan.turn, {})).error).toEqual(none.error);
    expect((await abort(foreign, plan.turn)).error).toEqual(none.error);
    const fresh_kv_cache = await bench.write(plan, 3);
    expect((await commit(client, plan.turn, { fresh_kv_cache })).response.status).toBe(200);
  });

  it("plans for no session that there is not, that is another tenant's or that has expired", async () => {
    const { bench, client } = await open();
    const plan = (as: KvClient, id: string) =>
      as.POST("/v1/sessions/{id}/plan", {
        params: { path: { id } },
        body: { prompt: promptOf("one"), max_new_tokens: 0 },
      });
    const none = await plan(client, "none");
    expect(none).toMatchObject({ response: { status: 404 }, error: { code: "not_found" } });
    expect((await plan(bench.client({ tenant: "red" }), "a")).error).toEqual(none.error);
    await bench.turns.clock.advance(3_600_000);
    expect((await plan(client, "a")).error).toEqual(none.error);
  });
});

type CommitBody =
  paths["/v1/turns/{turn}/commit"]["post"]["requestBody"]["content"]["application/json"];
