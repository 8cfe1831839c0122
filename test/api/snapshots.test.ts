/** Snapshots as callers of the API see them: segments like others, but read whole. */
import { rm } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";

import { CATALOGS } from "../kv/turns/catalogs.ts";
import { BenchCopier } from "../support/bench-copier.ts";
import { saveOnDisk } from "../support/bench-snapshots.ts";
import { ApiBenches } from "./api-benches.ts";
import { promptOf } from "./api-bench.ts";

describe.each(CATALOGS)("snapshots over HTTP and the $name catalog", (kind) => {
  const benches = new ApiBenches(kind);
  afterEach(() => benches.close());

  /** The session `a` has a snapshot of "one two" with 9 tokens, and "one " as a plain segment. */
  async function open() {
    const { bench, client } = await benches.openWithSession({ memoryBytes: 2 ** 20 });
    await bench.turn(client, "a", ["one ", ""]);
    const saved = await saveOnDisk(bench.turns, { name: "a", text: "one two" });
    const at = (id: string) => ({ params: { path: { id } } });
    const fetchBytes = (query = "", headers = {}) =>
      fetch(`${bench.url}/v1/segments/${saved.segment}/bytes${query}`, { headers });
    return { bench, client, saved, at, fetchBytes };
  }

  it("are listed and shown as such, with no more tokens than their number", async () => {
    const { client, saved, at } = await open();
    const shown = { id: saved.segment, snapshot: true, token_start: 0, token_length: 9, bytes: 90 };
    const list = await client.GET("/v1/sessions/{id}/segments", at("a"));
    expect(list.data?.segments.toSorted((a, b) => b.token_length - a.token_length)).toMatchObject([
      shown,
      { snapshot: false, token_length: 4 },
    ]);
    expect((await client.GET("/v1/segments/{id}", at(saved.segment))).data).toMatchObject(shown);
  });

  it("are sent whole or in byte ranges, and in no range of tokens", async () => {
    const { fetchBytes } = await open();
    const whole = await fetchBytes();
    expect([whole.status, (await whole.arrayBuffer()).byteLength]).toEqual([200, 90]);
    const part = await fetchBytes("", { range: "bytes=10-19" });
    expect([part.status, (await part.arrayBuffer()).byteLength]).toEqual([206, 10]);
    const cut = await fetchBytes("?token_start=0&token_length=4");
    expect([cut.status, await cut.json()]).toEqual([
      409,
      expect.objectContaining({ code: "geometry_unknown" }),
    ]);
  });

  it("are lost with their bytes, which is found by whoever reads them", async () => {
    const { bench, client, saved, at, fetchBytes } = await open();
    await rm(bench.turns.pathOf(`file:///${saved.file.name}`));
    expect(await (await fetchBytes()).json()).toMatchObject({ code: "bytes_lost" });
    expect((await client.GET("/v1/segments/{id}", at(saved.segment))).response.status).toBe(404);
  });

  it("join no plan of tokens, and are unused in its explanation", async () => {
    const { bench, client, saved, at } = await open();
    const plan = await bench.plan(client, "a", ["one two three", 0]);
    expect(plan).toMatchObject({ stored_tokens: 4 });
    const explained = await client.POST("/v1/sessions/{id}/explain", {
      ...at("a"),
      body: { prompt: promptOf("one two three") },
    });
    expect(explained.data).toMatchObject({
      stored_tokens: 4,
      limit: "end_of_stored",
      unused: [{ id: saved.segment, snapshot: true }],
    });
  });

  it("are prefetched, forked, attached and shared with what else a session has", async () => {
    const { client, saved, at } = await open();
    const fetched = await client.POST("/v1/sessions/{id}/prefetch", { ...at("a"), body: {} });
    expect(fetched.data).toMatchObject({ segments: 2, bytes: 90 + 4 * 32 });
    await client.POST("/v1/sessions/{id}/fork", { ...at("a"), body: { id: "f" } });
    await client.POST("/v1/sessions", { body: { id: "b", model: "small" } });
    const attached = await client.POST("/v1/sessions/{id}/attach", {
      ...at("b"),
      body: { segments: [saved.segment] },
    });
    expect(attached.data).toMatchObject({ id: "b", segments: 1 });
    const prefix = { name: "p", session: "a", tokens: 9, tenants: [], everyone: false };
    const made = await client.POST("/v1/prefixes", { body: prefix });
    expect(made.data).toMatchObject({ name: "p", segments: 1 });
    const shown = await client.GET("/v1/segments/{id}", at(saved.segment));
    expect(shown.data?.usage).toMatchObject({ references: 4 });
  });

  it("are attached to sessions whose servers restore them, where what else a session has is not", async () => {
    const { client, saved, at } = await open();
    const made = await client.POST("/v1/sessions", { body: { id: "b", model: "slots" } });
    expect(made.response.status).toBe(201);
    const listed = await client.GET("/v1/sessions/{id}/segments", at("a"));
    const all = listed.data?.segments.map(({ id }) => id) ?? [];
    const attach = async (segments: string[]) =>
      client.POST("/v1/sessions/{id}/attach", { ...at("b"), body: { segments } });
    expect((await attach(all)).error).toMatchObject({ code: "request_invalid" });
    expect((await attach([saved.segment])).data).toMatchObject({ id: "b", segments: 1 });
  });

  it("are copied to another location, from where they are sent as well", async () => {
    const { bench, saved, fetchBytes } = await open();
    const copier = new BenchCopier(bench.turns);
    const known = await bench.turns.catalog.segment(saved.segment);
    if (known === undefined) throw new Error("it is there");
    expect(await copier.copy(known, copier.location("memory"))).toBe("copied");
    await rm(bench.turns.pathOf(`file:///${saved.file.name}`));
    const whole = await fetchBytes();
    expect([whole.status, (await whole.arrayBuffer()).byteLength]).toEqual([200, 90]);
  });
});
