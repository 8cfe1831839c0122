import { rm, utimes } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { BenchCopier } from "../../support/bench-copier.ts";
import { session, spans, tokens, type TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

const STORY = "one two three four ";
/** So that no plan waits for the one before it. */
const BRANCH = { whenBusy: "branch" } as const;
const ASKED = `${STORY}and five`;

describe.each(CATALOGS)("plans with replicas over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  let bench: TurnBench;
  let copier: BenchCopier;
  afterEach(async () => expect(await benches.close()).toEqual([]));

  describe("in two tiers", () => {
    /** Two segments of the session `a` in one file in memory, and a copy of each on the disk. */
    beforeEach(async () => {
      bench = await benches.open({ memoryBytes: 2 ** 20, policy: BRANCH });
      copier = new BenchCopier(bench);
      await bench.create("a");
      await bench.turn("a", "one ", "two ");
      await bench.turn("a", "one two three ", "four ");
      expect(await copier.copyAll("a", "disk")).toEqual(["copied", "copied"]);
    });

    const folders = (plan: { readonly stored: readonly { readonly kvUri: string }[] }) =>
      plan.stored.map(({ kvUri }) => (kvUri.startsWith("file:///memory/") ? "memory" : "disk"));
    const copies = async () =>
      (await bench.catalog.segments(session("a"))).map(({ file, replicas }) =>
        [file, ...replicas].map(({ location }) => location).join(),
      );

    it("list the fastest copy, whichever is the first one", async () => {
      expect(folders(await bench.plan("a", ASKED))).toEqual(["memory", "memory"]);
      const { id: segment, file } = await copier.segment("a");
      const locations = new Set(["memory", "disk"]);
      await bench.catalog.dropReplica({ segment, file, locations, nowMs: bench.clock.now() });
      expect(folders(await bench.plan("a", ASKED))).toEqual(["disk", "memory"]);
      await copier.copy(await copier.segment("a"), copier.location("memory"));
      expect(await copies()).toEqual(["disk,memory", "memory,disk"]);
      expect(folders(await bench.plan("a", ASKED))).toEqual(["memory", "memory"]);
    });

    it("lease the file that they list, and no other", async () => {
      const leases = async (location: string) => {
        const files = await bench.catalog.files({ after: undefined, limit: 9 });
        return files.filter((file) => file.location === location).map((file) => file.leasedUntilMs);
      };
      const before = await leases("disk");
      await bench.clock.advance(5_000);
      const plan = await bench.plan("a", ASKED);
      expect(await leases("memory")).toEqual([plan.deadlineMs]);
      expect([before.length, await leases("disk")]).toEqual([2, before]);
    });

    it("list another copy when the first one's file is deleted, and go on without it", async () => {
      await rm(bench.pathOf("file:///memory/a"));
      const plan = await bench.plan("a", ASKED);
      expect(spans(plan.stored)).toEqual([
        [0, 8],
        [8, 11],
      ]);
      expect([folders(plan), plan.limit]).toEqual([["disk", "disk"], "end_of_stored"]);
      expect(await copies()).toEqual(["disk", "disk"]);
    });

    it("list another copy of what is damaged, and condemn that copy alone", async () => {
      await bench.write(
        { kvUri: "file:///memory/a", kvStart: 0, tokenStart: 0, tokenLength: 1 },
        1,
      );
      expect(folders(await bench.plan("a", ASKED))).toEqual(["disk", "memory"]);
      expect(await copies()).toEqual(["disk", "memory,disk"]);
    });

    it("list less once the last copy is damaged too", async () => {
      for (const { file } of await bench.catalog.segments(session("a"))) {
        if (file.location === "memory") await rm(bench.pathOf("file:///memory/a"), { force: true });
      }
      const [, second] = await bench.catalog.segments(session("a"));
      await rm(bench.pathOf(`file:///${second?.replicas[0]?.name}`));
      const plan = await bench.plan("a", ASKED);
      expect(spans(plan.stored)).toEqual([[0, 8]]);
      expect(plan.limit).toBe("file_missing");
      expect(await copies()).toEqual(["disk"]);
    });

    it("are explained as they would be, and nothing is condemned", async () => {
      await rm(bench.pathOf("file:///memory/a"));
      const explained = await bench.desk.explain({ session: session("a"), prompt: tokens(ASKED) });
      expect(explained).toMatchObject({
        segments: [{ file: { location: "disk" } }, { file: { location: "disk" } }],
      });
      expect(await copies()).toEqual(["memory,disk", "memory,disk"]);
    });

    it("list what is left when a location is not configured any more", async () => {
      bench.restart("memory");
      expect(folders(await bench.plan("a", ASKED))).toEqual(["disk", "disk"]);
      expect(await copies()).toEqual(["memory,disk", "memory,disk"]);
    });
  });

  describe("in one tier", () => {
    const SITES = ["x", "y"].map((id) => ({ id, labels: {}, engines: true }));

    /** One segment of the session `a`, at both. */
    beforeEach(async () => {
      bench = await benches.open({ sites: SITES, policy: BRANCH });
      copier = new BenchCopier(bench);
      await bench.create("a");
      await bench.turn("a", "one ", "two three four ");
      const first = await copier.segment("a");
      await copier.copy(first, copier.location(first.file.location === "x" ? "y" : "x"));
    });

    async function listedWhile(busy: string): Promise<string | undefined> {
      bench.loads.clear();
      bench.loads.set(busy, 1);
      const found = await bench.desk.explain({ session: session("a"), prompt: tokens(ASKED) });
      return typeof found === "string" ? found : found.segments[0]?.file.location;
    }

    it("list the copy whose location is the least loaded", async () => {
      expect([await listedWhile("x"), await listedWhile("y")]).toEqual(["y", "x"]);
    });

    it("read each copy again once after a change of its file", async () => {
      const { file, replicas } = await copier.segment("a");
      for (const { location, name } of [file, ...replicas]) {
        await utimes(bench.pathOf(`file:///${location}/${name}`), 1, 1);
      }
      for (const busy of ["x", "y", "x", "y"]) await listedWhile(busy);
      expect(bench.verifier.rechecks).toBe(2);
    });
  });
});
