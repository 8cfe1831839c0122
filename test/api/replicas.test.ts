/** What a caller sees of copies: where they are, and bytes for as long as one of them is whole. */
import { rm } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";

import { CATALOGS } from "../kv/turns/catalogs.ts";
import { BenchCopier } from "../support/bench-copier.ts";
import { ApiBenches } from "./api-benches.ts";

describe.each(CATALOGS)("replicas over the $name catalog", (kind) => {
  const benches = new ApiBenches(kind);
  afterEach(() => benches.close());

  /** A segment of the session `a`, in memory, and its copy on the disk. */
  async function open() {
    const { bench, client } = await benches.openWithSession({ memoryBytes: 2 ** 20 });
    await bench.turn(client, "a", ["one ", "two "]);
    const copier = new BenchCopier(bench.turns);
    await copier.copyAll("a", "disk");
    const { id } = await copier.segment("a");
    const path = { id };
    const segment = async () => (await client.GET("/v1/segments/{id}", { params: { path } })).data;
    const bytes = async () => {
      const response = await fetch(`${bench.url}/v1/segments/${id}/bytes`);
      return response.ok ? (await response.arrayBuffer()).byteLength : response.json();
    };
    return { bench, client, segment, bytes };
  }

  it("are shown with their locations", async () => {
    const { segment } = await open();
    expect(await segment()).toMatchObject({
      location: "memory",
      replicas: [{ location: "disk", kv_uri: "file:///replica1", kv_start: 0 }],
    });
  });

  it("are shown to nobody else: how many there are tells how often others read", async () => {
    const { bench, client } = await open();
    const body = { name: "paper", session: "a", tenants: ["red"], ttl_ms: 1_000, everyone: false };
    expect((await client.POST("/v1/prefixes", { body })).response.status).toBe(201);
    const red = bench.client({ tenant: "red" });
    await red.POST("/v1/sessions", { body: { id: "r", model: "small" } });
    const { id } = await new BenchCopier(bench.turns).segment("a");
    const seen = await red.GET("/v1/segments/{id}", { params: { path: { id } } });
    expect(seen.data).toMatchObject({ id, usage: null, replicas: null });
  });

  it("are read when the first copy is gone, which is forgotten then, and nothing when all are", async () => {
    const { bench, segment, bytes } = await open();
    const whole = await bytes();
    expect(whole).toBeGreaterThan(0);
    await rm(bench.turns.pathOf("file:///memory/a"));
    expect(await bytes()).toEqual(whole);
    expect(await segment()).toMatchObject({ location: "disk", replicas: [] });
    await rm(bench.turns.pathOf("file:///replica1"));
    expect(await bytes()).toMatchObject({ code: "bytes_lost" });
    expect(await bytes()).toMatchObject({ code: "not_found" });
  });
});
