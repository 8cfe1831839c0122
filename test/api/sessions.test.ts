/** Sessions as clients make, see, change and end them. */
import { afterEach, describe, expect, it } from "vitest";

import type { KvClient } from "../../client/index.ts";
import { PLENTY } from "../support/kv-desk.ts";
import { CATALOGS } from "../kv/turns/catalogs.ts";
import { type ApiOptions, FREE, STANDARD } from "./api-bench.ts";
import { ApiBenches } from "./api-benches.ts";

const MINUTE_MS = 60_000;

describe.each(CATALOGS)("sessions over HTTP and the $name catalog", (kind) => {
  const benches = new ApiBenches(kind);
  const open = (options: ApiOptions = {}) => benches.openWithSession(options);
  afterEach(() => benches.close());

  const at = (id: string) => ({ params: { path: { id } } });
  const create = (client: KvClient, body: CreateBody) => client.POST("/v1/sessions", { body });
  type CreateBody = { id?: string; model: string; retention_class?: string; ttl_ms?: number };
  type PatchBody = {
    retention_class?: string;
    ttl_ms?: number;
    pinned_until_ms?: number | null;
  };
  const patch = (client: KvClient, body: PatchBody) =>
    client.PATCH("/v1/sessions/{id}", { ...at("a"), body });

  it("makes a session of the tenant's class under a new id, and answers one that is there as it is", async () => {
    const { bench, client } = await open();
    const now = bench.turns.clock.now();
    const made = await create(client, { model: "small" });
    expect(made.response.status).toBe(201);
    expect(made.data).toEqual({
      id: "00000000-0000-4000-8000-000000000001",
      tenant: "",
      model: "small",
      retention_class: "standard",
      ttl_ms: STANDARD.ttlMs,
      max_age_ms: STANDARD.maxAgeMs,
      parent: null,
      created_at_ms: now,
      expires_at_ms: now + STANDARD.ttlMs,
      pinned_until_ms: null,
      segments: 0,
      open_turns: 0,
    });
    const again = await create(client, { id: made.data?.id ?? "", model: "small", ttl_ms: 1 });
    expect([again.response.status, again.data]).toEqual([200, made.data]);
  });

  it("gives the class that is asked for, and a shorter life than the class's", async () => {
    const { client } = await open();
    const { data } = await create(client, {
      model: "small",
      retention_class: "free",
      ttl_ms: FREE.ttlMs - 1,
    });
    expect(data).toMatchObject({ retention_class: "free", ttl_ms: FREE.ttlMs - 1 });
    const { data: longest } = await create(client, { model: "small", ttl_ms: STANDARD.ttlMs });
    expect(longest).toMatchObject({ ttl_ms: STANDARD.ttlMs });
  });

  it.each([
    [{ model: "other" }, "model", "other"],
    [{ model: "small", retention_class: "gold" }, "retention_class", "gold"],
    [{ model: "small", ttl_ms: STANDARD.ttlMs + 1 }, "ttl_ms", String(STANDARD.ttlMs + 1)],
    [{ model: "small", id: "a b" }, "id", "a b"],
    [{ model: "small", id: "a".repeat(257) }, "id", `${"a".repeat(64)}...`],
  ])("refuses %j", async (body, field, value) => {
    const { client } = await open();
    const { error, response } = await create(client, body);
    expect(response.status).toBe(400);
    expect(error?.errors).toEqual([
      { field, value, limit: expect.any(String), message: expect.stringContaining(field) },
    ]);
  });

  it("takes an id of 256 characters, wherever one is named", async () => {
    const { client } = await open();
    const id = `/?#%${"a".repeat(252)}`;
    expect((await create(client, { id, model: "small" })).response.status).toBe(201);
    expect((await client.GET("/v1/sessions/{id}", at(id))).data).toMatchObject({ id });
    expect((await client.DELETE("/v1/sessions/{id}", at(id))).response.status).toBe(204);
  });

  it("is refused above the tenant's quota, and for a tenant that there is not", async () => {
    const { bench, client } = await open({ quota: { ...PLENTY, sessions: 1 } });
    const full = { response: { status: 409 }, error: { code: "quota_exceeded" } };
    expect(await create(client, { model: "small" })).toMatchObject(full);
    const forked = await client.POST("/v1/sessions/{id}/fork", { ...at("a"), body: {} });
    expect(forked).toMatchObject(full);
    const nobody = bench.client({ tenant: "nobody" });
    expect((await nobody.GET("/v1/usage")).response.status).toBe(404);
  });

  it("ends a session once, and knows none that has expired", async () => {
    const { bench, client } = await open();
    await create(client, { id: "b", model: "small" });
    expect((await client.DELETE("/v1/sessions/{id}", at("b"))).response.status).toBe(204);
    expect((await client.DELETE("/v1/sessions/{id}", at("b"))).response.status).toBe(404);
    expect((await client.GET("/v1/sessions/{id}", at("b"))).response.status).toBe(404);
    await bench.turns.clock.advance(STANDARD.ttlMs - 1);
    expect((await client.GET("/v1/sessions/{id}", at("a"))).response.status).toBe(200);
    await bench.turns.clock.advance(1);
    expect((await client.GET("/v1/sessions/{id}", at("a"))).response.status).toBe(404);
    expect((await client.GET("/v1/sessions")).data).toEqual({ sessions: [], next_cursor: null });
  });

  it("changes class and life, which counts as a use", async () => {
    const { bench, client } = await open();
    await bench.turns.clock.advance(MINUTE_MS);
    const now = bench.turns.clock.now();
    expect((await patch(client, { retention_class: "free" })).data).toMatchObject({
      retention_class: "free",
      ttl_ms: FREE.ttlMs,
      expires_at_ms: now + FREE.ttlMs,
    });
    expect((await patch(client, { ttl_ms: MINUTE_MS })).data).toMatchObject({
      retention_class: "free",
      expires_at_ms: now + MINUTE_MS,
    });
    // Its own life is shorter than its class's by now, which says how long it may be.
    expect((await patch(client, { ttl_ms: FREE.ttlMs })).response.status).toBe(200);
    expect(await patch(client, { ttl_ms: FREE.ttlMs + 1 })).toMatchObject({
      error: { errors: [{ field: "ttl_ms" }] },
    });
  });

  it("pins up to the limit of the class, which the same request may give, and lifts the pin", async () => {
    const { bench, client } = await open();
    const latest = bench.turns.clock.now() + STANDARD.pinLimitMs;
    expect((await patch(client, { pinned_until_ms: latest })).data).toMatchObject({
      pinned_until_ms: latest,
    });
    expect((await patch(client, { pinned_until_ms: null })).data).toMatchObject({
      pinned_until_ms: null,
    });
    expect(await patch(client, { pinned_until_ms: latest + 1 })).toMatchObject({
      response: { status: 400 },
      error: { errors: [{ field: "pinned_until_ms", value: String(latest + 1) }] },
    });
    const both = { retention_class: "free", pinned_until_ms: latest };
    expect((await patch(client, both)).response.status).toBe(400);
    const { data } = await client.GET("/v1/sessions/{id}", at("a"));
    expect(data).toMatchObject({ retention_class: "standard", pinned_until_ms: null });
  });

  it("counts pins against the quota", async () => {
    const { bench, client } = await open({ quota: { ...PLENTY, pins: 0 } });
    const refused = await patch(client, { pinned_until_ms: bench.turns.clock.now() + 1 });
    expect(refused).toMatchObject({ response: { status: 409 }, error: { code: "quota_exceeded" } });
  });

  it("changes nothing where nothing is to be changed", async () => {
    const { client } = await open();
    expect(await patch(client, {})).toMatchObject({
      response: { status: 400 },
      error: { errors: [{ field: "body", limit: "at least one change" }] },
    });
  });

  it("lists the tenant's sessions in pages, each once", async () => {
    const { bench, client } = await open();
    for (const id of ["d", "b", "c"]) await create(client, { id, model: "small" });
    await create(bench.client({ tenant: "red" }), { id: "bb", model: "small" });
    const ids: string[] = [];
    const cursors: (string | null | undefined)[] = [undefined];
    for (const cursor of cursors) {
      const query = { limit: "2", ...(typeof cursor === "string" ? { cursor } : {}) };
      const { data } = await client.GET("/v1/sessions", { params: { query } });
      ids.push(...(data?.sessions.map(({ id }) => id) ?? []));
      if (data?.next_cursor != null) cursors.push(data.next_cursor);
    }
    expect(ids).toEqual(["a", "b", "c", "d"]);
    expect(cursors).toHaveLength(3);
  });

  it.each(["a", "YQ", "YR", "_w", "YQ==", "!", "A".repeat(1_100)])(
    "takes no cursor %j of its own",
    async (cursor) => {
      const { client } = await open();
      const { response, error } = await client.GET("/v1/sessions", {
        params: { query: { cursor } },
      });
      // `YQ` is what a page that ends with the session `a` gives.
      expect(response.status).toBe(cursor === "YQ" ? 200 : 400);
      expect(error?.errors?.map(({ field }) => field) ?? []).toEqual(
        cursor === "YQ" ? [] : ["query.cursor"],
      );
    },
  );

  it("shows what the tenant has and may have", async () => {
    const { bench, client } = await open();
    const before = await client.GET("/v1/usage");
    const { bytes, sessions, pins } = PLENTY;
    expect(before.data).toEqual({
      tenant: "",
      bytes: 0,
      sessions: 1,
      pins: 0,
      quota: { bytes, sessions, pins },
    });
    await bench.turn(client, "a", ["one", ""]);
    expect((await client.GET("/v1/usage")).data).toMatchObject({ bytes: 3 * 32 });
  });

  it("shows a quota without a limit of bytes as such", async () => {
    const quota = () => ({ ...PLENTY, bytes: Number.MAX_SAFE_INTEGER });
    const { client } = await open({ ports: { quotas: { quota } } });
    expect((await client.GET("/v1/usage")).data).toMatchObject({ quota: { bytes: null } });
  });
});
