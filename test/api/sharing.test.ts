/** Forks, attached segments and prefixes, and who may see what. */
import { afterEach, describe, expect, it } from "vitest";

import type { KvClient } from "../../client/index.ts";
import { CATALOGS } from "../kv/turns/catalogs.ts";
import { PREFIXES_CONSULTED_LIMIT } from "../../src/kv/holders.ts";
import { PLENTY } from "../support/kv-desk.ts";
import type { ApiBench, ApiOptions } from "./api-bench.ts";
import { ApiBenches } from "./api-benches.ts";

describe.each(CATALOGS)("sharing over HTTP and the $name catalog", (kind) => {
  const benches = new ApiBenches(kind);
  const open = (options: ApiOptions = {}) => benches.openWithSession(options);
  afterEach(() => benches.close());

  const at = (id: string) => ({ params: { path: { id } } });
  const named = (name: string) => ({ params: { path: { name } } });
  const attach = (client: KvClient, id: string, segments: string[]) =>
    client.POST("/v1/sessions/{id}/attach", { ...at(id), body: { segments } });
  const segmentsOf = async (client: KvClient, id: string) =>
    (await client.GET("/v1/sessions/{id}/segments", at(id))).data?.segments ?? [];

  /** The session `a` has "one two", and the tenant red the session `r`. */
  async function openStored(options: ApiOptions = {}) {
    const { bench, client } = await open(options);
    const { listed } = await bench.turn(client, "a", ["one two", ""]);
    const red = bench.client({ tenant: "red" });
    await red.POST("/v1/sessions", { body: { id: "r", model: "small" } });
    return { bench, client, red, segment: listed[0]?.segment ?? "" };
  }

  const planned = async (bench: ApiBench, client: KvClient, id: string) =>
    (await bench.plan(client, id, ["one two three", 0])).stored_tokens;

  it("forks a session under a new or a given id, with what it lists", async () => {
    const { bench, client } = await openStored();
    const made = await client.POST("/v1/sessions/{id}/fork", { ...at("a"), body: { id: "f" } });
    expect(made.response.status).toBe(201);
    expect(made.data).toMatchObject({ id: "f", parent: "a", segments: 1 });
    expect(await segmentsOf(client, "f")).toMatchObject([{ usage: { references: 2 } }]);
    const unnamed = await fetch(`${bench.url}/v1/sessions/a/fork`, { method: "POST" });
    expect(unnamed.status).toBe(201);

    const again = await client.POST("/v1/sessions/{id}/fork", { ...at("a"), body: { id: "f" } });
    expect(again).toMatchObject({ response: { status: 409 }, error: { code: "session_exists" } });
    const none = await client.POST("/v1/sessions/{id}/fork", { ...at("none"), body: {} });
    expect(none.response.status).toBe(404);
  });

  it("attaches named segments of the tenant, all or none", async () => {
    const { client, segment } = await openStored();
    await client.POST("/v1/sessions", { body: { id: "b", model: "small" } });
    const unknown = "none-0.0";
    const refused = await attach(client, "b", [segment, unknown]);
    expect(refused).toMatchObject({ response: { status: 404 }, error: { code: "not_found" } });
    expect(await segmentsOf(client, "b")).toEqual([]);
    expect((await attach(client, "b", [segment])).data).toMatchObject({ id: "b", segments: 1 });
    expect(await segmentsOf(client, "b")).toEqual(await segmentsOf(client, "a"));
    expect((await attach(client, "none", [segment])).response.status).toBe(404);
  });

  it("shows a segment to its tenant, and to nobody else", async () => {
    const { client, red, segment } = await openStored();
    expect((await client.GET("/v1/segments/{id}", at(segment))).data).toEqual({
      id: segment,
      state: "durable",
      snapshot: false,
      token_start: 0,
      token_length: 7,
      location: "disk",
      kv_uri: "file:///a",
      kv_start: 0,
      replicas: [],
      bytes: 7 * 32,
      crc32: expect.stringMatching(/^[0-9a-f]{8}$/),
      usage: { references: 1, times_read: 0, last_read_at_ms: expect.any(Number) },
    });
    const none = await client.GET("/v1/segments/{id}", at("none-0.0"));
    expect(none.response.status).toBe(404);
    expect((await red.GET("/v1/segments/{id}", at(segment))).error).toEqual(none.error);
    expect((await attach(red, "r", [segment])).error).toEqual(none.error);
    const listed = await red.GET("/v1/sessions/{id}/segments", at("a"));
    expect(listed.response.status).toBe(404);
  });

  it("shows the reserved segments of a turn to its tenant alone", async () => {
    const { bench, client, red } = await openStored();
    const { turn } = await bench.plan(client, "a", ["one two three", 0]);
    const id = `${turn}.0`;
    expect((await client.GET("/v1/segments/{id}", at(id))).data).toMatchObject({
      state: "reserved",
      crc32: null,
    });
    expect((await red.GET("/v1/segments/{id}", at(id))).response.status).toBe(404);
  });

  it("opens a prefix to named tenants, who find it, may attach it and see no more of it than that", async () => {
    const { bench, client, red, segment } = await openStored();
    const blue = bench.client({ tenant: "blue" });
    expect(await planned(bench, red, "r")).toBe(0);
    const made = await client.POST("/v1/prefixes", {
      body: { name: "paper", session: "a", tenants: ["red"], ttl_ms: 1_000, everyone: false },
    });
    expect(made.response.status).toBe(201);
    const prefix = {
      name: "paper",
      tenant: "",
      everyone: false,
      tenants: ["red"],
      created_at_ms: bench.turns.clock.now(),
      expires_at_ms: bench.turns.clock.now() + 1_000,
      segments: 1,
    };
    expect(made.data).toEqual(prefix);
    expect((await client.GET("/v1/prefixes/{name}", named("paper"))).data).toEqual(prefix);
    const shown = { ...prefix, tenants: [] };
    expect((await red.GET("/v1/prefixes")).data).toEqual({
      prefixes: [shown],
      next_cursor: null,
    });
    expect((await blue.GET("/v1/prefixes")).data?.prefixes).toEqual([]);
    expect((await red.GET("/v1/prefixes/{name}", named("paper"))).response.status).toBe(404);

    expect((await attach(red, "r", [segment])).data).toMatchObject({ segments: 1 });
    expect(await segmentsOf(red, "r")).toMatchObject([{ id: segment, usage: null }]);
    expect(await planned(bench, red, "r")).toBe(7);
    await bench.turns.clock.advance(1_000);
    const over = await client.GET("/v1/prefixes/{name}", named("paper"));
    expect(over.response.status).toBe(404);
  });

  it("opens a prefix to everyone until it is removed", async () => {
    const { bench, client, red } = await openStored();
    await client.POST("/v1/prefixes", {
      body: { name: "system", session: "a", everyone: true, tenants: [] },
    });
    expect(await planned(bench, red, "r")).toBe(7);
    const foreign = await red.DELETE("/v1/prefixes/{name}", named("system"));
    expect(foreign).toMatchObject({ response: { status: 404 }, error: { code: "not_found" } });
    const removed = await client.DELETE("/v1/prefixes/{name}", named("system"));
    expect(removed.response.status).toBe(204);
    const again = await client.DELETE("/v1/prefixes/{name}", named("system"));
    expect(again.error).toEqual(foreign.error);
  });

  it("shows and gives a tenant nothing of an owner that it does not trust", async () => {
    const { bench, client, red, segment } = await openStored();
    bench.turns.trusts.set("red", ["blue"]);
    for (const to of [
      { everyone: true, tenants: [] },
      { everyone: false, tenants: ["red"] },
    ]) {
      const name = to.everyone ? "system" : "paper";
      const made = await client.POST("/v1/prefixes", { body: { name, session: "a", ...to } });
      expect(made.response.status).toBe(201);
    }
    expect((await red.GET("/v1/prefixes")).data?.prefixes).toEqual([]);
    expect(await planned(bench, red, "r")).toBe(0);
    expect((await red.GET("/v1/segments/{id}", at(segment))).response.status).toBe(404);
    expect((await attach(red, "r", [segment])).response.status).toBe(404);
    bench.turns.trusts.set("red", [""]);
    const names = (await red.GET("/v1/prefixes")).data?.prefixes.map(({ name }) => name);
    expect(names).toEqual(["paper", "system"]);
    expect((await red.GET("/v1/segments/{id}", at(segment))).response.status).toBe(200);
  });

  it("makes no prefix twice, of nothing, of no session or above the quota", async () => {
    const { client } = await openStored({ quota: { ...PLENTY, pins: 1 } });
    const make = (body: { name: string; session: string; tokens?: number }) =>
      client.POST("/v1/prefixes", { body: { ...body, everyone: false, tenants: [] } });
    const refused = (status: number, code: string) => ({ response: { status }, error: { code } });
    expect(await make({ name: "p", session: "none" })).toMatchObject(refused(404, "not_found"));
    expect(await make({ name: "p", session: "a", tokens: 6 })).toMatchObject(
      refused(409, "nothing_stored"),
    );
    expect((await make({ name: "p", session: "a", tokens: 7 })).response.status).toBe(201);
    expect(await make({ name: "p", session: "a" })).toMatchObject(refused(409, "prefix_exists"));
    expect(await make({ name: "q", session: "a" })).toMatchObject(refused(409, "quota_exceeded"));
  });

  it("opens no prefix to a tenant that is not configured, and says which", async () => {
    const { client } = await openStored();
    const tenants = ["red", "nobody"];
    const { error, response } = await client.POST("/v1/prefixes", {
      body: { name: "p", session: "a", everyone: false, tenants },
    });
    expect([response.status, error?.code]).toEqual([400, "request_invalid"]);
    const limit = "the name of a configured tenant";
    expect(error?.errors).toMatchObject([{ field: "tenants[1]", value: "nobody", limit }]);
    const made = await client.GET("/v1/prefixes/{name}", named("p"));
    expect(made.response.status).toBe(404);
  });

  it("lists all prefixes of a tenant's own in pages, and no expired one", async () => {
    const { bench, client, red } = await openStored();
    const limit = PREFIXES_CONSULTED_LIMIT;
    const names = Array.from({ length: limit + 2 }, (_, n) => `p${100 + n}`);
    for (const name of names) {
      const ttl_ms = name === "p101" ? 1_000 : 2_000;
      const body = { name, session: "a", everyone: true, tenants: [], ttl_ms };
      expect((await client.POST("/v1/prefixes", { body })).response.status).toBe(201);
    }
    await bench.turns.clock.advance(1_000);
    const list = async (query: { list?: "own"; cursor?: string; limit?: string }) => {
      const { data } = await client.GET("/v1/prefixes", { params: { query } });
      return [data?.prefixes.map(({ name }) => name), data?.next_cursor] as const;
    };
    const live = names.filter((name) => name !== "p101");
    expect(await list({})).toEqual([live.slice(0, limit), null]);
    const [first, cursor] = await list({ list: "own", limit: "3" });
    expect(first).toEqual(live.slice(0, 3));
    expect(await list({ list: "own", cursor: cursor ?? "" })).toEqual([live.slice(3), null]);
    const foreign = await red.GET("/v1/prefixes", { params: { query: { list: "own" } } });
    expect(foreign.data).toEqual({ prefixes: [], next_cursor: null });
    const { error } = await client.GET("/v1/prefixes", { params: { query: { limit: "3" } } });
    expect(error?.errors).toMatchObject([{ field: "query.list" }]);
  });

  it("takes no names for a prefix that everyone may read", async () => {
    const { client } = await openStored();
    const { error } = await client.POST("/v1/prefixes", {
      body: { name: "p", session: "a", everyone: true, tenants: ["red"] },
    });
    expect(error?.errors).toMatchObject([{ field: "tenants" }]);
  });
});
