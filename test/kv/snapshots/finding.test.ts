import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { CatalogFault } from "../../../src/kv/catalog-fault.ts";
import type { Catalog } from "../../../src/kv/catalog.ts";
import { PLENTY } from "../../support/kv-desk.ts";
import { SnapshotBench, type SnapshotBenchOptions } from "../../support/kv/snapshot-bench.ts";
import { session } from "../../support/turn-bench.ts";

const STORY = "Once upon a time there was a server with two slots. ".repeat(20);

let bench: SnapshotBench;

async function open(options: SnapshotBenchOptions = {}): Promise<void> {
  bench = await SnapshotBench.open(options);
  await bench.create("s");
}

beforeEach(() => open());
afterEach(async () => expect(await bench.close()).toEqual([]));

/** In place of the one that `beforeEach` made. */
async function reopen(options: SnapshotBenchOptions): Promise<void> {
  expect(await bench.close()).toEqual([]);
  await open(options);
}

describe("what a session saved", () => {
  it("is found by the same prompt, whole, and restored byte by byte", async () => {
    const { id } = await bench.kept("s", STORY, { tokens: 300 });
    const found = await bench.found("s", STORY);
    expect(found).toMatchObject({ segment: { id, tokenLength: 300 } });
    expect(found.commonTokens).toBeGreaterThan(200);
    expect((await bench.restore(found)).equals(bench.bytesOf(300))).toBe(true);
    expect(bench.reads.map((segment) => segment.id)).toEqual([id]);
    expect(await bench.staged()).toEqual([]);
  });

  it("is found by a prompt that goes on from it, for all of its tokens", async () => {
    await bench.kept("s", STORY, { tokens: 300 });
    const found = await bench.found("s", `${STORY} And then there were three.`);
    expect(found.commonTokens).toBe(300);
  });

  it("is found by a prompt that goes another way, for as much as they have in common", async () => {
    await bench.kept("s", STORY, { tokens: STORY.length });
    const found = await bench.found("s", `${STORY.slice(0, 600)}${"x".repeat(600)}`);
    expect(found.commonTokens).toBe(512);
  });

  it("is found no more once it has saved again", async () => {
    const first = await bench.kept("s", STORY);
    const second = await bench.kept("s", `${STORY} More.`);
    expect((await bench.found("s", STORY)).segment.id).toBe(second.id);
    expect(await bench.catalog.segment(first.id)).toBeUndefined();
  });

  it("is found by its fork, and by what the tenant's other sessions begin with all of it", async () => {
    const { id } = await bench.kept("s", STORY);
    const nowMs = bench.clock.now();
    const fork = { parent: session("s"), child: "f", quota: PLENTY, nowMs, limit: 100 };
    await bench.catalog.fork(fork);
    await bench.create("other");
    expect((await bench.found("f", `${STORY} Fork.`)).segment.id).toBe(id);
    expect((await bench.found("other", `${STORY} Other.`)).segment.id).toBe(id);
  });

  it.each([
    { what: "prompt", name: "s", text: STORY.toUpperCase(), context: {} },
    { what: "salt", name: "s", text: STORY, context: { cacheSalt: "mine" } },
    { what: "tenant", name: "t/s", text: STORY, context: {} },
  ])("is not found where the $what is another", async ({ name, text, context }) => {
    await bench.kept("s", STORY);
    await bench.create(name);
    expect(await bench.find(name, text, { context })).toBe("nothing_stored");
  });

  it("is not found for another geometry", async () => {
    await bench.kept("s", STORY, { geometry: new Uint8Array(33).fill(8) as never });
    expect(await bench.find("s", STORY)).toBe("nothing_stored");
  });
});

it.each(["gone", "nobody/s"])("no session is found for: %s", async (name) => {
  expect(await bench.find(name, STORY)).toBe("no_session");
});

it("a location that is not there has nothing", async () => {
  await bench.kept("s", STORY);
  expect(await bench.find("s", STORY, { at: "z" })).toBe("location_unknown");
});

describe("a search", () => {
  const HOUR_MS = 3_600_000;

  it.each([
    ["what is found", true],
    ["nothing", false],
  ])("is a use of the session, with %s", async (_, isKept) => {
    if (isKept) await bench.kept("s", STORY);
    await bench.clock.advance(HOUR_MS - 1);
    await bench.find("s", STORY);
    await bench.clock.advance(HOUR_MS - 1);
    expect(await bench.desk.use(session("s"))).toBe(true);
    await bench.clock.advance(HOUR_MS - 1);
    expect(await bench.desk.use(session("s"))).toBe(true);
    await bench.clock.advance(HOUR_MS + 1);
    expect(await bench.desk.use(session("s"))).toBe(false);
    expect(await bench.find("s", STORY)).toBe("no_session");
  });

  it("leases what it finds, so that its file stays when the session saves again", async () => {
    await bench.kept("s", STORY);
    const found = await bench.found("s", STORY);
    await bench.kept("s", `${STORY} More.`);
    const sweep = { nowMs: bench.clock.now() + 60_000, limit: 100, quarantineMs: 0 };
    expect((await bench.catalog.sweep(sweep)).unlinkable).toEqual([]);
    expect((await bench.restore(found)).equals(bench.bytesOf(STORY.length))).toBe(true);
    const later = { ...sweep, nowMs: bench.clock.now() + 600_000 };
    expect((await bench.catalog.sweep(later)).unlinkable).toEqual([found.segment.file]);
  });

  it("leases it for as long as the turn may be held, and longer", async () => {
    await bench.kept("s", STORY);
    const untilMs = bench.clock.now() + 500_000;
    const { segment } = await bench.found("s", STORY, { hold: { untilMs } });
    const { leasedUntilMs = 0 } = (await bench.catalog.file(segment.file)) ?? {};
    expect(leasedUntilMs).toBeGreaterThan(untilMs);
  });

  it.each(["lease", "session", "matchSnapshot"] as const)(
    "answers `catalog_failed` where %s fails",
    async (rule) => {
      const around = (catalog: Catalog): Catalog =>
        Object.create(catalog, {
          [rule]: { value: () => Promise.reject(new CatalogFault("no room for the commit")) },
        }) as Catalog;
      await reopen({ around });
      expect(await bench.find("s", STORY)).toBe("catalog_failed");
    },
  );

  it("looks again where what it found goes before it is leased", async () => {
    let isFirst = true;
    const around = (catalog: Catalog): Catalog =>
      Object.create(catalog, {
        lease: {
          value: async (request: Parameters<Catalog["lease"]>[0]) => {
            const [listed] = request.listed;
            if (isFirst && listed !== undefined) {
              isFirst = false;
              await catalog.condemn({ segment: listed.segment, file: listed.file });
            }
            return catalog.lease(request);
          },
        },
      }) as Catalog;
    await reopen({ around });
    await bench.create("u");
    const { id } = await bench.kept("u", STORY);
    await bench.kept("s", STORY);
    expect((await bench.found("s", STORY)).segment.id).toBe(id);
  });
});
