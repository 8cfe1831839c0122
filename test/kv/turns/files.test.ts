/** Files that cannot be made, and files that are not what they were. Each ends in a smaller plan, which says why. */
import { existsSync, realpathSync } from "node:fs";
import * as nodeFs from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";

import type { Location } from "../../../src/kv/location.ts";
import type { FileSystem } from "../../../src/kv/locations/directory-folder.ts";
import type { StoredFile } from "../../../src/kv/records.ts";
import { failingFs } from "../../support/failing-fs.ts";
import { SMALL } from "../../support/small-model.ts";
import {
  freshOf,
  session,
  spans,
  type TurnBench,
  tokens,
  turnOf,
} from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

describe.each(CATALOGS)("files of turns over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  /** Two listed segments, `one two ` and `three `, in one file. */
  async function stored(policy = {}): Promise<TurnBench> {
    const bench = await benches.openWith(policy);
    await bench.turn("a", "one ", "two ");
    await bench.turn("a", "one two t", "hree ");
    return bench;
  }
  const PROMPT = "one two three four";
  const FILE = "file:///a";

  async function fileOf(bench: TurnBench): Promise<StoredFile | undefined> {
    return bench.catalog.file({ location: "disk", name: "a" as StoredFile["name"] });
  }

  describe("a reservation", () => {
    it("has its file at full size before the plan answers, and again when it grows [b]", async () => {
      const bench = await benches.openWith();
      const first = await bench.plan("a", "one ", { maxNewTokens: 4 });
      expect(await bench.sizeOf(FILE)).toBe(8 * 32);
      await bench.commit(first, ["one ", "two "]);
      await bench.plan("a", "one two ", { maxNewTokens: 100 });
      expect(await bench.sizeOf(FILE)).toBe((8 + 108) * 32);
    });

    it("takes another name where something has the session's already", async () => {
      const bench = await benches.openWith();
      await nodeFs.writeFile(join(bench.root, "a"), "somebody else's");
      const [part] = freshOf(await bench.plan("a", "one "));
      expect(part?.kvUri).toMatch(/^file:\/\/\/a\.e\d+$/);
      expect(await bench.sizeOf(FILE)).toBe(15);
      expect(bench.seen).toContain("aborted file_exists");
    });

    it("is not made in a file that is not as large as it should be", async () => {
      const bench = await stored();
      await nodeFs.truncate(bench.pathOf(FILE), 14 * 32 + 1);
      const plan = await bench.plan("a", PROMPT);
      expect(plan.fresh).toEqual({ kind: "none", reason: "file_mismatch" });
      expect(bench.seen).toContain("aborted file_mismatch");
      expect(await fileOf(bench)).toMatchObject({ isSealed: true, openReservations: 0 });
      expect(freshOf(await bench.plan("a", PROMPT))[0]?.kvUri).not.toBe(FILE);
    });

    it("is made at the next place where the first has no room for it, and goes on there", async () => {
      const bench = await benches.open({ memoryBytes: 20 * 32 });
      await bench.create("a");
      await bench.turn("a", "one ", "two ");
      const large = await bench.turn("a", "one two t", "hree four ");
      expect(large.stored).toMatchObject([{ tokenStart: 0, kvUri: "file:///memory/a" }]);
      expect(freshOf(large)).toMatchObject([{ tokenStart: 8, kvUri: "file:///memory/a" }]);
      const larger = await bench.turn("a", "one two three four f", "ive ");
      expect(freshOf(larger)).toMatchObject([{ tokenStart: 19, kvUri: "file:///a", kvStart: 0 }]);
      const next = await bench.plan("a", "one two three four five !");
      expect(next.stored.map(({ kvUri }) => kvUri)).toEqual([
        "file:///memory/a",
        "file:///memory/a",
        "file:///a",
      ]);
      expect(freshOf(next)).toMatchObject([{ tokenStart: 24, kvUri: "file:///a" }]);
    });

    it.each(["open", "statfs"])(
      "is made at the next place where the first fails to %s",
      async (call) => {
        let broken = "nothing";
        const failIn = (path: string): void => {
          const isThere = [path, dirname(path)].some((each) => realOf(each).endsWith("/memory"));
          if (broken !== call || !isThere) return;
          throw Object.assign(new Error("broken"), { code: "EIO", syscall: call });
        };
        const fs: FileSystem = {
          ...nodeFs,
          open: async (...args) => (failIn(args[0]), nodeFs.open(...args)),
          statfs: async (path) => (failIn(path), nodeFs.statfs(path)),
        };
        const bench = await benches.open({ memoryBytes: 2 ** 20, fs });
        await bench.create("a");
        broken = call;
        const first = await bench.plan("a", "one ");
        expect(freshOf(first)).toMatchObject([{ kvUri: FILE, kvStart: 0 }]);
        expect(await bench.sizeOf(FILE)).toBe(8 * 32);
      },
    );

    it("is not made where the tenant has no more bytes, and what is stored is listed", async () => {
      const quota = { bytes: 8 * 32, sessions: 9, pins: 9 };
      const bench = await benches.open({ quota });
      await bench.create("a");
      await bench.turn("a", "one ", "two ");
      const plan = await bench.plan("a", "one two!");
      expect(plan.fresh).toEqual({ kind: "none", reason: "quota_bytes" });
      const again = await bench.plan("a", "one two three");
      expect(spans(again.stored)).toEqual([[0, 8]]);
      expect((await fileOf(bench))?.leasedUntilMs).toBe(again.deadlineMs);
    });

    it("is answered for without one whichever call of the file system fails, and made the next time", async () => {
      const plain = failingFs({ at: Infinity, mode: "once" });
      const counted = await benches.open({ fs: plain });
      await counted.create("a");
      const before = plain.trace.length;
      await counted.plan("a", "one ");
      const after = plain.trace.length;
      expect(after).toBeGreaterThan(before);

      for (let at = before + 1; at <= after; at++) {
        const bench = await benches.open({ fs: failingFs({ at, mode: "once" }) });
        await bench.create("a");
        const plan = await bench.plan("a", "one ");
        expect(plan.fresh).toEqual({ kind: "none", reason: "file_io" });
        expect(freshOf(await bench.plan("a", "one "))).toHaveLength(1);
      }
    });
  });

  describe("a listed file", () => {
    it("is not read again while nothing has changed it", async () => {
      const bench = await stored();
      expect(spans((await bench.plan("a", PROMPT)).stored)).toEqual([
        [0, 8],
        [8, 6],
      ]);
      expect(bench.verifier.rechecks).toBe(0);
    });

    it("is read again at every plan where that is asked for", async () => {
      const bench = await stored({ recheck: "always" });
      await bench.plan("a", PROMPT);
      expect(bench.verifier.rechecks).toBe(3);
    });

    it("is read again once after its stat has changed, and listed if its bytes have not", async () => {
      const bench = await stored();
      await nodeFs.utimes(bench.pathOf(FILE), 1, 1);
      const plan = await bench.plan("a", PROMPT);
      expect(plan).toMatchObject({ storedTokens: 14, limit: "end_of_stored" });
      expect(bench.verifier.rechecks).toBe(2);
      await bench.desk.abort(turnOf(plan), "client_gone");
      await nodeFs.utimes(bench.pathOf(FILE), 2, 2);
      await bench.plan("a", PROMPT);
      await bench.clock.advance(5_000);
      expect(bench.verifier.rechecks).toBe(4);
    });

    it("is not read again where somebody else has, who reads with the same checker", async () => {
      const bench = await stored();
      await nodeFs.utimes(bench.pathOf(FILE), 1, 1);
      const location = bench.location("disk") as Location;
      for (const segment of await bench.catalog.segments(session("a"))) {
        const look = await bench.checker.look(segment.file, location);
        expect(await bench.checker.check({ segment, location }, look)).toMatchObject({
          kind: "ok",
        });
      }
      expect((await bench.plan("a", PROMPT)).storedTokens).toBe(14);
      expect(bench.verifier.rechecks).toBe(2);
    });

    it("is not read again for what an aborted turn left in it, after the first time", async () => {
      const bench = await stored();
      const aborted = await bench.plan("a", PROMPT);
      await bench.desk.abort(turnOf(aborted), "client_gone");
      const next = await bench.plan("a", PROMPT);
      expect(bench.verifier.rechecks).toBe(2);
      await bench.desk.abort(turnOf(next), "client_gone");
      expect((await bench.plan("a", PROMPT)).storedTokens).toBe(14);
      expect(bench.verifier.rechecks).toBe(2);
    });

    it("is listed up to the segment whose bytes are others, which is never listed again", async () => {
      const bench = await stored();
      const file = await nodeFs.open(bench.pathOf(FILE), "r+");
      await file.write(Uint8Array.of(1), 0, 1, 8 * 32 + 5);
      await file.close();
      const plan = await bench.plan("a", PROMPT);
      expect(spans(plan.stored)).toEqual([[0, 8]]);
      expect(plan.limit).toBe("file_damaged");
      expect(await bench.catalog.segments(session("a"))).toMatchObject([{ tokenLength: 8 }]);
    });

    it("is not listed when it was truncated", async () => {
      const bench = await stored();
      await nodeFs.truncate(bench.pathOf(FILE), 8 * 32);
      const plan = await bench.plan("a", PROMPT);
      expect(spans(plan.stored)).toEqual([[0, 8]]);
      expect(plan.limit).toBe("file_damaged");
    });

    it("is not listed when it is missing, and the turn stores anew", async () => {
      const bench = await stored();
      await nodeFs.rm(bench.pathOf(FILE));
      const plan = await bench.plan("a", PROMPT);
      expect(plan).toMatchObject({ stored: [], limit: "file_missing" });
      expect(freshOf(plan)).toMatchObject([{ tokenStart: 0, kvStart: 0 }]);
      expect(await bench.catalog.segments(session("a"))).toEqual([]);
    });

    it("is not listed when another has its name", async () => {
      const bench = await stored();
      await nodeFs.rm(bench.pathOf(FILE));
      await nodeFs.writeFile(bench.pathOf(FILE), new Uint8Array(14 * 32).fill(1));
      const plan = await bench.plan("a", PROMPT);
      expect(plan).toMatchObject({ stored: [], limit: "file_damaged" });
    });

    it("is not listed for now when it cannot be looked at, and is later", async () => {
      const plain = failingFs({ at: Infinity, mode: "once" });
      const counted = await benches.open({ fs: plain });
      await counted.create("a");
      await counted.turn("a", "one ", "two ");
      const bench = await benches.open({
        fs: failingFs({ at: plain.trace.length + 1, mode: "once" }),
      });
      await bench.create("a");
      await bench.turn("a", "one ", "two ");
      const plan = await bench.plan("a", "one two three");
      expect(plan).toMatchObject({ stored: [], storedTokens: 0, limit: "file_unreadable" });
      await bench.desk.abort(turnOf(plan), "client_gone");
      expect((await bench.plan("a", "one two three")).storedTokens).toBe(8);
    });

    it.each([
      ["is listed up to what cannot be read now", 7, [[0, 8]]],
      ["is not listed where the engine would not load what is left", 8, []],
    ])("%s", async (_, loadThreshold, listed) => {
      const profile = { ...SMALL, loadThreshold };
      const policy = { recheck: "always", cutAtPrompt: true } as const;
      const bench = await benches.open({ profile, policy });
      await bench.create("a");
      await bench.turn("a", "one two ", "three ");
      expect((await bench.turn("a", PROMPT, "")).storedTokens).toBe(14);
      bench.verifier.unreadableFrom = 8;
      const plan = await bench.plan("a", PROMPT);
      expect(plan.limit).toBe("file_unreadable");
      expect(spans(plan.stored)).toEqual(listed);
    });

    it("is stored again where its location is not configured any more", async () => {
      const bench = await benches.open({ memoryBytes: 2 ** 20 });
      await bench.create("a");
      await bench.turn("a", "one ", "two ");
      const explain = () =>
        bench.desk.explain({ session: session("a"), prompt: tokens("one two three") });
      expect(await explain()).toMatchObject({ storedTokens: 8, limit: "end_of_stored" });
      bench.restart("memory");
      expect(await explain()).toMatchObject({ storedTokens: 0, limit: "location_unknown" });
      await bench.turn("a", "one ", "two ");
      const [segment, ...others] = (await bench.plan("a", "one two three")).stored;
      expect([segment?.tokenLength, others]).toEqual([8, []]);
      expect(segment?.kvUri).toBe("file:///a");
    });

    it("may grow by right while a turn writes to it, but not become another", async () => {
      const bench = await stored({ whenBusy: "branch" });
      const open = await bench.plan("a", PROMPT);
      for (const segment of freshOf(open)) await bench.write(segment);
      expect((await bench.plan("a", PROMPT)).storedTokens).toBe(14);
      expect(bench.verifier.rechecks).toBe(0);

      await nodeFs.rm(bench.pathOf(FILE));
      await nodeFs.writeFile(bench.pathOf(FILE), new Uint8Array(14 * 32));
      expect((await bench.plan("a", PROMPT)).limit).toBe("file_damaged");
    });
  });
});

function realOf(path: string): string {
  return existsSync(path) ? realpathSync(path) : "";
}
