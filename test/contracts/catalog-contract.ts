/**
 * What every catalog must do. An adapter's test calls this with a way to open a fresh one. Every test leaves a catalog that the
 * audit finds no fault in.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../src/kv/catalog.ts";
import { segmentId } from "../../src/kv/records.ts";
import {
  key,
  KvDesk,
  PLENTY,
  QUARANTINE_MS,
  ranges,
  RETENTION,
  STAT,
  TOKEN_BYTES,
  UNVERIFIED,
} from "../support/kv-desk.ts";

export function describeCatalog(name: string, open: () => Promise<Catalog>): void {
  describe(`catalog contract: ${name}`, () => {
    let catalog: Catalog;
    let desk: KvDesk;
    beforeEach(async () => {
      catalog = await open();
      desk = new KvDesk(catalog);
    });
    afterEach(async () => {
      const faults = await catalog.audit();
      await catalog.close();
      expect(faults).toEqual([]);
    });

    async function fork(parent: string, child: string, sessions = 1_000) {
      const quota = { ...PLENTY, sessions };
      return catalog.fork({ parent: key(parent), child, quota, nowMs: desk.nowMs });
    }

    describe("sessions", () => {
      it("creates a session once, and answers it as it is from then on", async () => {
        const created = await desk.create("a");
        expect(created).toMatchObject({ kind: "created", session: { id: "a", segments: 0 } });
        const again = await desk.create("a", { model: "other" });
        expect(again).toMatchObject({ kind: "exists", session: { model: "m" } });
        expect((await catalog.tenantUsage("t")).sessions).toBe(1);
      });

      it("refuses one session more than the quota, and counts each tenant by itself", async () => {
        const quota = { ...PLENTY, sessions: 1 };
        expect(await desk.create("a", { quota })).toMatchObject({ kind: "created" });
        const refused = { kind: "refused", reason: "quota_sessions" };
        expect(await desk.create("b", { quota })).toEqual(refused);
        expect(await desk.create("other/b", { quota })).toMatchObject({ kind: "created" });
      });

      it("keeps a session for its TTL after the last use, and no longer", async () => {
        await desk.create("a");
        desk.nowMs += RETENTION.ttlMs - 1;
        expect(await catalog.touch(key("a"), desk.nowMs)).toBe(true);
        desk.nowMs += RETENTION.ttlMs - 1;
        expect(await desk.create("a")).toMatchObject({ kind: "exists" });
        desk.nowMs += 1;
        expect(await catalog.touch(key("a"), desk.nowMs)).toBe(false);
      });

      it("keeps no session beyond its greatest age, however often it is used", async () => {
        await desk.create("a", { retention: { name: "x", ttlMs: 10, maxAgeMs: 15 } });
        desk.nowMs += 9;
        expect(await catalog.touch(key("a"), desk.nowMs)).toBe(true);
        desk.nowMs += 5;
        expect(await catalog.touch(key("a"), desk.nowMs)).toBe(true);
        desk.nowMs += 1;
        expect(await catalog.touch(key("a"), desk.nowMs)).toBe(false);
      });

      it("shortens no life when the clock goes back", async () => {
        await desk.create("a");
        const before = (await catalog.session(key("a")))?.expiresAtMs;
        await catalog.touch(key("a"), desk.nowMs - 500_000);
        expect((await catalog.session(key("a")))?.expiresAtMs).toBe(before);
      });

      it("keeps a pinned session until the pin lapses, and counts the pin until then", async () => {
        await desk.create("a");
        const untilMs = desk.nowMs + 5 * RETENTION.ttlMs;
        const pin = { session: key("a"), nowMs: desk.nowMs, untilMs, quota: PLENTY };
        expect(await catalog.pin(pin)).toBe("pinned");
        desk.nowMs = untilMs - 1;
        await desk.sweep();
        expect(await catalog.tenantUsage("t")).toMatchObject({ sessions: 1, pins: 1 });
        desk.nowMs = untilMs;
        await desk.sweep();
        expect(await catalog.tenantUsage("t")).toMatchObject({ sessions: 0, pins: 0 });
      });

      it("ends only the pin when it lapses before the session expires", async () => {
        await desk.create("a");
        const untilMs = desk.nowMs + 10;
        await catalog.pin({ session: key("a"), nowMs: desk.nowMs, untilMs, quota: PLENTY });
        desk.nowMs += 10;
        expect(await desk.sweep()).toMatchObject({ lapsedPins: 1, expiredSessions: 0 });
        expect(await catalog.tenantUsage("t")).toMatchObject({ sessions: 1, pins: 0 });
      });

      it("refuses one pin more than the quota, and lets a pin be moved and lifted", async () => {
        await desk.create("a");
        await desk.create("b");
        const pin = { nowMs: desk.nowMs, quota: { ...PLENTY, pins: 1 } };
        const untilMs = desk.nowMs + 10;
        expect(await catalog.pin({ ...pin, session: key("a"), untilMs })).toBe("pinned");
        expect(await catalog.pin({ ...pin, session: key("b"), untilMs })).toBe("quota_pins");
        expect(await catalog.pin({ ...pin, session: key("a"), untilMs: untilMs + 1 })).toBe(
          "pinned",
        );
        expect(await catalog.pin({ ...pin, session: key("a"), untilMs: 0 })).toBe("unpinned");
        expect(await catalog.pin({ ...pin, session: key("b"), untilMs })).toBe("pinned");
        expect(await catalog.pin({ ...pin, session: key("c"), untilMs })).toBe("no_session");
      });
    });

    describe("reservations", () => {
      it("gives the offsets of the seed's example [seed]", async () => {
        await desk.create("a");
        const seed = { tokenBytes: 147_456, rankTokenBytes: 147_456 };
        const starts: number[][] = [];
        for (const [tokenStart, tokens] of [
          [0, 113],
          [113, 100],
          [213, 1213],
        ] as const) {
          const turn = await desk.reserved("a", { ...seed, tokenStart, parts: [tokens] });
          starts.push(...turn.parts.map((part) => [part.tokenStart, part.kvStart]));
          await desk.report(turn, "x".repeat(tokenStart + tokens));
          await desk.settle(turn);
        }
        expect(starts).toEqual([
          [0, 0],
          [113, 16_662_528],
          [213, 31_408_128],
        ]);
        const files = (await catalog.segments(key("a"))).map(({ file }) => file.name);
        expect(new Set(files).size).toBe(1);
      });

      it("begins after the whole of a reservation that was left half used", async () => {
        await desk.create("a");
        const first = await desk.reserved("a", { parts: [8] });
        await desk.report(first, "abcd");
        await desk.settle(first);
        const second = await desk.reserved("a", { tokenStart: 4, parts: [4] });
        expect(second).toMatchObject({ file: first.file, fromBytes: 80, toBytes: 120 });
        expect(second.parts[0]?.kvStart).toBe(80);
      });

      it("cuts a reservation into parts that follow each other", async () => {
        await desk.create("a");
        const { parts } = await desk.reserved("a", { tokenStart: 3, parts: [5, 2] });
        expect(parts).toMatchObject([
          { tokenStart: 3, tokenLength: 5, kvStart: 0 },
          { tokenStart: 8, tokenLength: 2, kvStart: 50 },
        ]);
      });

      it("lets the second turn of a session wait for the first one's report", async () => {
        await desk.create("a");
        const first = await desk.reserved("a");
        const deadlineMs = desk.nowMs + 1_000;
        expect(await desk.reserve("a")).toEqual({ kind: "busy", turn: first.turn, deadlineMs });
        await desk.report(first, "abcd");
        expect(await desk.reserved("a")).toMatchObject({ file: first.file, fromBytes: 40 });
      });

      it("gives the second turn a file of its own where it may branch", async () => {
        await desk.create("a");
        const first = await desk.reserved("a");
        const branch = await desk.reserved("a", { whenBusy: "branch" });
        expect(branch).toMatchObject({ fromBytes: 0 });
        expect(branch.file).not.toEqual(first.file);
        await desk.report(branch, "wxyz");
        await desk.settle(branch);
        await desk.report(first, "abcd");
        await desk.settle(first);
        expect(await desk.reserved("a")).toMatchObject({ file: first.file, fromBytes: 40 });
        expect(ranges((await desk.match("a", "wxyz!")).segments)).toEqual([[0, 4]]);
        expect(ranges((await desk.match("a", "abcd!")).segments)).toEqual([[0, 4]]);
      });

      it("opens a new file after an abort", async () => {
        await desk.create("a");
        const first = await desk.reserved("a");
        expect(await desk.abort(first)).toBe(true);
        const second = await desk.reserved("a");
        expect(second.file).not.toEqual(first.file);
        expect(second.fromBytes).toBe(0);
      });

      it("aborts a turn past its deadline when the next one comes, swept or not", async () => {
        await desk.create("a");
        const lost = await desk.reserved("a");
        desk.nowMs += 1_000;
        const next = await desk.reserved("a");
        expect(next.file).not.toEqual(lost.file);
        const conflict = { kind: "conflict", reason: "unknown_turn" };
        expect(await desk.report(lost, "abcd")).toEqual(conflict);
        expect(await desk.abort(lost)).toBe(false);
      });

      it("opens a new file for each reservation where objects cannot grow", async () => {
        await desk.create("a");
        const first = await desk.reserved("a", { newFile: { canGrow: false } });
        await desk.report(first, "abcd");
        const second = await desk.reserved("a", { newFile: { canGrow: false } });
        expect(second.file).not.toEqual(first.file);
      });

      it("moves on to another location in a new file, and leaves the old one for good", async () => {
        await desk.create("a");
        const first = await desk.store("a", "abcd");
        const second = await desk.reserved("a", { newFile: { location: "tmpfs" } });
        expect(second).toMatchObject({ fromBytes: 0, file: { location: "tmpfs" } });
        await desk.report(second, "abcd");
        const third = await desk.reserved("a");
        expect(third.file).not.toEqual(first.file);
      });

      it("charges a reservation at full length, and then what was committed", async () => {
        await desk.create("a");
        const turn = await desk.reserved("a", { parts: [4, 6] });
        expect(await desk.bytes()).toBe(10 * TOKEN_BYTES);
        await desk.report(turn, "abcdef");
        expect(await desk.bytes()).toBe(6 * TOKEN_BYTES);
        await desk.settle(turn, 0);
        await desk.settle(turn, 1, UNVERIFIED);
        expect(await desk.bytes()).toBe(4 * TOKEN_BYTES);
      });

      it("refuses one byte more than the quota, and takes nothing for it", async () => {
        await desk.create("a");
        const quota = { ...PLENTY, bytes: 79 };
        const refused = await desk.reserve("a", { parts: [8], quota });
        expect(refused).toEqual({ kind: "refused", reason: "quota_bytes" });
        expect(await desk.bytes()).toBe(0);
        const exact = await desk.reserve("a", { parts: [8], quota: { ...PLENTY, bytes: 80 } });
        expect(exact).toMatchObject({ kind: "reserved" });
      });

      it("refuses what the location has no room for, with sparse reservations counted", async () => {
        await desk.create("a");
        await desk.create("b");
        const newFile = { limits: { capacityBytes: 1_000, freeFloorBytes: 20 }, freeBytes: 100 };
        expect(await desk.reserve("a", { newFile })).toMatchObject({ kind: "reserved" });
        const refused = { kind: "refused", reason: "no_space" };
        expect(await desk.reserve("b", { newFile, parts: [5] })).toEqual(refused);
        expect(await desk.reserve("b", { newFile })).toMatchObject({ kind: "reserved" });
        const books = { bookedBytes: 80, unwrittenBytes: 80 };
        expect(await catalog.locationUsage("disk")).toMatchObject(books);
      });

      it("takes no file name that is there already", async () => {
        await desk.create("a");
        await desk.create("b");
        const { file } = await desk.reserved("a");
        const refused = { kind: "refused", reason: "file_exists" };
        expect(await desk.reserve("b", { newFile: { name: file.name } })).toEqual(refused);
      });

      it("refuses to list what is gone, so that the caller matches again", async () => {
        await desk.create("a");
        const { turn } = await desk.store("a", "abcd");
        const listed = [segmentId(turn, 0)];
        await catalog.condemn(segmentId(turn, 0));
        const refused = { kind: "refused", reason: "stale_match" };
        expect(await desk.reserve("a", { listed, tokenStart: 4 })).toEqual(refused);
      });

      it("lists no segment of another tenant", async () => {
        await desk.create("a");
        await desk.create("other/a");
        const { turn } = await desk.store("a", "abcd");
        const refused = { kind: "refused", reason: "stale_match" };
        expect(await desk.reserve("other/a", { listed: [segmentId(turn, 0)] })).toEqual(refused);
      });

      it("reserves nothing for a session that does not exist", async () => {
        expect(await desk.reserve("a")).toEqual({ kind: "refused", reason: "no_session" });
      });

      it("gives 32 concurrent branches ranges that never meet", async () => {
        await desk.create("a");
        const turns = await Promise.all(
          Array.from({ length: 32 }, () => desk.reserved("a", { whenBusy: "branch" })),
        );
        const places = turns.map(({ file, fromBytes }) => `${file.name}@${fromBytes}`);
        expect(new Set(places).size).toBe(32);
      });
    });

    describe("reports", () => {
      it("lists nothing before it is settled", async () => {
        await desk.create("a");
        const turn = await desk.reserved("a");
        expect((await desk.match("a", "abcd!")).segments).toEqual([]);
        await desk.report(turn, "abcd");
        expect((await desk.match("a", "abcd!")).segments).toEqual([]);
        expect(await catalog.segments(key("a"))).toEqual([]);
        await desk.settle(turn);
        expect(ranges((await desk.match("a", "abcd!")).segments)).toEqual([[0, 4]]);
      });

      it("takes one report for a turn", async () => {
        await desk.create("a");
        const turn = await desk.reserved("a");
        expect(await desk.report(turn, "abcd")).toMatchObject({ kind: "accepted" });
        const conflict = { kind: "conflict", reason: "already_reported" };
        expect(await desk.report(turn, "abcd")).toEqual(conflict);
      });

      it("takes a report until the last moment before the deadline", async () => {
        await desk.create("a");
        const turn = await desk.reserved("a");
        desk.nowMs += 999;
        expect(await desk.report(turn, "abcd")).toMatchObject({ kind: "accepted" });
      });

      it("takes a shorter segment than was reserved", async () => {
        await desk.create("a");
        const turn = await desk.reserved("a", { parts: [8] });
        const outcome = await desk.report(turn, "abc");
        expect(outcome).toMatchObject({ pending: [{ tokenStart: 0, tokenLength: 3, bytes: 30 }] });
      });

      it("drops the second part when the first was reported short", async () => {
        await desk.create("a");
        const turn = await desk.reserved("a", { parts: [4, 4] });
        const { segments } = await reportOf(turn, "abcdefgh");
        const short = segments.map((each, n) => (n === 0 ? { ...each, tokenLength: 3 } : each));
        const dropped = [{ segment: segmentId(turn.turn, 1), reason: "after_short_part" }];
        const outcome = await desk.report(turn, "abcdefgh", { segments: short });
        expect(outcome).toMatchObject({ pending: [{ tokenLength: 3 }], dropped });
      });

      it("ends a turn of which nothing was written, and goes on in the same file", async () => {
        await desk.create("a");
        const turn = await desk.reserved("a");
        const outcome = await desk.report(turn, "", { segments: [] });
        const dropped = [{ segment: segmentId(turn.turn, 0), reason: "omitted" }];
        expect(outcome).toEqual({ kind: "accepted", pending: [], dropped });
        expect(await catalog.turn(turn.turn)).toBeUndefined();
        expect(await desk.bytes()).toBe(0);
        expect(await desk.reserved("a")).toMatchObject({ file: turn.file, fromBytes: 40 });
      });

      it.each([
        ["longer_than_reserved", { tokenLength: 5 }],
        ["wrong_place", { kvStart: 10 }],
        ["wrong_place", { file: { location: "disk", name: "x" } }],
        ["wrong_length", { tokenLength: 0 }],
        ["wrong_length", { tokenLength: 1.5 }],
        ["wrong_length", { kvLength: 41 }],
      ])("drops a segment for %s, and leaves the file", async (reason, change) => {
        await desk.create("a");
        const turn = await desk.reserved("a");
        const { segments } = await reportOf(turn, "abcd");
        const wrong = segments.map((each) => ({ ...each, ...change })) as typeof segments;
        expect(await desk.report(turn, "abcd", { segments: wrong })).toMatchObject({
          pending: [],
          dropped: [{ reason }],
        });
        expect((await desk.reserved("a")).file).not.toEqual(turn.file);
      });

      it.each([40, 20])("takes a kv_length of all ranks or of one: %i", async (kvLength) => {
        await desk.create("a");
        const turn = await desk.reserved("a");
        const { segments } = await reportOf(turn, "abcd");
        const told = segments.map((each) => ({ ...each, kvLength }));
        const outcome = await desk.report(turn, "abcd", { segments: told });
        expect(outcome).toMatchObject({ pending: [{ bytes: 40 }], dropped: [] });
      });

      /** What `desk.report` would send, taken from it by a catalog that only listens. */
      async function reportOf(turn: Parameters<KvDesk["report"]>[0], text: string) {
        const seen: Parameters<Catalog["report"]>[0][] = [];
        const listener = new KvDesk({
          ...catalog,
          report: async (request) => {
            seen.push(request);
            return { kind: "conflict", reason: "unknown_turn" };
          },
        });
        await listener.report(turn, text);
        const [request] = seen;
        if (request === undefined) throw new Error("nothing was reported");
        return request;
      }
    });

    describe("settling", () => {
      it("keeps the checksum and what the file looked like", async () => {
        await desk.create("a");
        const turn = await desk.store("a", "abcd");
        const segment = await catalog.segment(segmentId(turn.turn, 0));
        expect(segment).toMatchObject({ state: "durable", crc: 0xcafe, refs: 1, bytes: 40 });
        expect(await catalog.file(turn.file)).toMatchObject({
          stat: STAT,
          committedBytes: 40,
          referencedBytes: 40,
          openReservations: 0,
        });
      });

      it("settles a segment once, and nothing that was not reported", async () => {
        await desk.create("a");
        const turn = await desk.reserved("a");
        expect(await desk.settle(turn)).toEqual({ kind: "conflict" });
        await desk.report(turn, "abcd");
        expect(await desk.settle(turn)).toEqual({ kind: "durable" });
        expect(await desk.settle(turn)).toEqual({ kind: "conflict" });
        expect(await desk.settle(turn, 0, UNVERIFIED)).toEqual({ kind: "conflict" });
      });

      it("never lists what was dropped, and leaves its file", async () => {
        await desk.create("a");
        const turn = await desk.reserved("a");
        await desk.report(turn, "abcd");
        expect(await desk.settle(turn, 0, UNVERIFIED)).toEqual({ kind: "dropped" });
        expect(await desk.settle(turn)).toEqual({ kind: "conflict" });
        expect((await desk.match("a", "abcd!")).segments).toEqual([]);
        expect((await desk.reserved("a")).file).not.toEqual(turn.file);
      });

      it("settles nothing after the time for it, nor after an abort", async () => {
        await desk.create("a");
        const late = await desk.reserved("a");
        await desk.report(late, "abcd");
        desk.nowMs += 1_000;
        expect(await desk.settle(late)).toEqual({ kind: "conflict" });
        const aborted = await desk.reserved("a");
        await desk.report(aborted, "abcd");
        await desk.abort(aborted);
        expect(await desk.settle(aborted)).toEqual({ kind: "conflict" });
        expect(await desk.bytes()).toBe(0);
      });

      it("keeps the part that was durable when the rest is aborted", async () => {
        await desk.create("a");
        const turn = await desk.reserved("a", { parts: [4, 4] });
        await desk.report(turn, "abcdefgh");
        await desk.settle(turn, 0);
        expect(await desk.abort(turn)).toBe(true);
        expect(ranges((await desk.match("a", "abcdefgh!")).segments)).toEqual([[0, 4]]);
      });

      it("stores equal segments of a tenant once, and charges them once", async () => {
        await desk.create("a");
        await desk.create("b");
        const first = await desk.store("a", "abcd");
        const second = await desk.reserved("b");
        await desk.report(second, "abcd");
        const of = segmentId(first.turn, 0);
        expect(await desk.settle(second)).toEqual({ kind: "duplicate", of });
        expect(await catalog.segment(of)).toMatchObject({ refs: 2 });
        expect(await desk.bytes()).toBe(40);
        await catalog.end(key("a"), desk.nowMs);
        expect(ranges((await desk.match("b", "abcd!")).segments)).toEqual([[0, 4]]);
      });

      it("keeps equal prompts of two tenants apart", async () => {
        await desk.create("a");
        await desk.create("other/a");
        await desk.store("a", "abcd");
        expect((await desk.match("other/a", "abcd!")).segments).toEqual([]);
        const turn = await desk.reserved("other/a");
        await desk.report(turn, "abcd");
        expect(await desk.settle(turn)).toEqual({ kind: "durable" });
        expect([await desk.bytes("t"), await desk.bytes("other")]).toEqual([40, 40]);
      });

      it("takes a condemned segment from all who list it", async () => {
        await desk.create("a");
        const { turn, file } = await desk.store("a", "abcd");
        await desk.store("a", "abcdefgh", 4);
        await fork("a", "b");
        expect(await catalog.condemn(segmentId(turn, 0))).toBe(true);
        expect(await catalog.condemn(segmentId(turn, 0))).toBe(false);
        for (const name of ["a", "b"]) {
          expect(ranges(await catalog.segments(key(name)))).toEqual([[4, 4]]);
          expect((await desk.match(name, "abcdefgh!")).segments).toEqual([]);
        }
        expect((await desk.reserved("a")).file).not.toEqual(file);
      });
    });

    describe("matches", () => {
      it("covers a prompt with whole segments from 0, on the grid and off it", async () => {
        await desk.create("a");
        await desk.store("a", "abcd");
        await desk.store("a", "abcdefg", 4);
        await desk.store("a", "abcdefghij", 7);
        const match = await desk.match("a", "abcdefghij!");
        expect(ranges(match.segments)).toEqual([
          [0, 4],
          [4, 3],
          [7, 3],
        ]);
        expect(match).toMatchObject({ tokens: 10, limit: "end_of_stored" });
      });

      it("keeps the whole segments before an edit, and says that the session diverged", async () => {
        await desk.create("a");
        await desk.store("a", "abcd");
        await desk.store("a", "abcdefgh", 4);
        const match = await desk.match("a", "abcdeXgh!");
        expect(ranges(match.segments)).toEqual([[0, 4]]);
        expect(match.limit).toBe("diverged");
        await desk.store("a", "abcdeXgh", 4);
        expect(await desk.match("a", "abcdeXgh!")).toMatchObject({ tokens: 8 });
        expect(await desk.match("a", "abcdefgh!")).toMatchObject({ tokens: 8 });
      });

      it("serves what another session of the tenant has stored", async () => {
        await desk.create("a");
        await desk.create("b");
        await desk.store("a", "abcdef");
        expect(await desk.match("b", "abcdef!")).toMatchObject({ tokens: 6 });
      });

      it("says why it covers no more", async () => {
        await desk.create("a");
        expect((await desk.match("a", "abcd!")).limit).toBe("nothing_stored");
        const first = await desk.store("a", "abcd");
        await desk.store("a", "abcdefgh", 4);
        const limit = async (prompt: string, pageSize: number, loadThreshold: number) =>
          (await desk.match("a", prompt, { pageSize, loadThreshold })).limit;
        expect(await limit("abcdefgh", 1, 0)).toBe("at_prompt_end");
        expect(await limit("abcdefgh!", 1, 8)).toBe("below_threshold");
        expect(await limit("abcdefgh!", 8, 0)).toBe("off_page");
        await catalog.condemn(segmentId(first.turn, 0));
        expect(await limit("abcdefgh!", 1, 0)).toBe("gap");
      });

      it("counts a use when it is leased, and keeps the file from going until then", async () => {
        await desk.create("a");
        await desk.create("b");
        const { turn, file } = await desk.store("a", "abcd");
        const segments = [segmentId(turn, 0)];
        const untilMs = desk.nowMs + 2 * QUARANTINE_MS;
        const lease = { session: key("b"), segments, nowMs: desk.nowMs, untilMs };
        expect(await catalog.lease(lease)).toBe(true);
        expect(await catalog.segment(segmentId(turn, 0))).toMatchObject({ timesRead: 1 });
        await catalog.end(key("a"), desk.nowMs);
        expect(await catalog.lease(lease)).toBe(false);
        desk.nowMs = untilMs + QUARANTINE_MS - 1;
        expect((await desk.sweep()).unlinkable).toEqual([]);
        desk.nowMs += 1;
        expect((await desk.sweep()).unlinkable).toEqual([file]);
      });

      it("leases what a turn lists for as long as the turn may last", async () => {
        await desk.create("a");
        const first = await desk.store("a", "abcd");
        const listed = [segmentId(first.turn, 0)];
        await desk.reserved("a", { listed, tokenStart: 4, deadlineMs: desk.nowMs + 77 });
        expect(await catalog.file(first.file)).toMatchObject({ leasedUntilMs: desk.nowMs + 77 });
      });
    });

    describe("forks", () => {
      it("copies the list and not the bytes", async () => {
        await desk.create("a");
        const { turn } = await desk.store("a", "abcd");
        expect(await fork("a", "b")).toMatchObject({ kind: "created", session: { parent: "a" } });
        expect(ranges(await catalog.segments(key("b")))).toEqual([[0, 4]]);
        expect(await catalog.segment(segmentId(turn, 0))).toMatchObject({ refs: 2 });
        expect(await desk.bytes()).toBe(40);
      });

      it("writes to a file of its own", async () => {
        await desk.create("a");
        const { file } = await desk.store("a", "abcd");
        await fork("a", "b");
        const turn = await desk.reserved("b", { tokenStart: 4 });
        expect(turn).toMatchObject({ fromBytes: 0 });
        expect(turn.file).not.toEqual(file);
      });

      it("settles a turn that was open on the parent for the parent alone", async () => {
        await desk.create("a");
        const turn = await desk.reserved("a");
        await desk.report(turn, "abcd");
        await fork("a", "b");
        await desk.settle(turn);
        expect(ranges(await catalog.segments(key("a")))).toEqual([[0, 4]]);
        expect(await catalog.segments(key("b"))).toEqual([]);
      });

      it("outlives its parent", async () => {
        await desk.create("a");
        await desk.store("a", "abcd");
        await fork("a", "b");
        await catalog.end(key("a"), desk.nowMs);
        expect(ranges((await desk.match("b", "abcd!")).segments)).toEqual([[0, 4]]);
        await catalog.end(key("b"), desk.nowMs);
        expect(await catalog.tenantUsage("t")).toMatchObject({ bytes: 0, sessions: 0 });
      });

      it("refuses without a parent, over another session, or over the quota", async () => {
        await desk.create("a");
        expect(await fork("x", "b")).toEqual({ kind: "refused", reason: "no_session" });
        expect(await fork("a", "a")).toEqual({ kind: "refused", reason: "exists" });
        const refused = { kind: "refused", reason: "quota_sessions" };
        expect(await fork("a", "b", 1)).toEqual(refused);
      });
    });

    describe("ends and sweeps", () => {
      it("ends a session with its turns, its references and its charge, at once", async () => {
        await desk.create("a");
        await desk.store("a", "abcd");
        const turn = await desk.reserved("a", { tokenStart: 4 });
        const branch = await desk.reserved("a", { whenBusy: "branch" });
        expect(await catalog.end(key("a"), desk.nowMs)).toBe(true);
        expect(await catalog.end(key("a"), desk.nowMs)).toBe(false);
        expect(await catalog.tenantUsage("t")).toMatchObject({ bytes: 0, sessions: 0 });
        for (const late of [turn, branch]) {
          expect(await desk.report(late, "abcdefgh")).toMatchObject({ kind: "conflict" });
        }
      });

      it("gives a file up when its quarantine is over, and names it until it is gone", async () => {
        await desk.create("a");
        const { file } = await desk.store("a", "abcd");
        desk.nowMs += 5;
        await catalog.end(key("a"), desk.nowMs);
        desk.nowMs += QUARANTINE_MS - 6;
        expect((await desk.sweep()).unlinkable).toEqual([]);
        desk.nowMs += 1;
        expect((await desk.sweep()).unlinkable).toEqual([file]);
        expect((await desk.sweep()).unlinkable).toEqual([file]);
        await catalog.unlinked([file]);
        await catalog.unlinked([file]);
        expect((await desk.sweep()).unlinkable).toEqual([]);
        expect(await catalog.locationUsage("disk")).toMatchObject({ bookedBytes: 0 });
      });

      it("counts the quarantine from the end of a lost turn, not from its start", async () => {
        await desk.create("a", { retention: { ...RETENTION, ttlMs: 1_000_000 } });
        const { file } = await desk.reserved("a");
        desk.nowMs += 1_000;
        expect(await desk.sweep()).toMatchObject({ abortedTurns: 1 });
        desk.nowMs += QUARANTINE_MS - 1;
        expect((await desk.sweep()).unlinkable).toEqual([]);
        desk.nowMs += 1;
        expect((await desk.sweep()).unlinkable).toEqual([file]);
      });

      it("keeps a file that a fork still reads from", async () => {
        await desk.create("a");
        const { file } = await desk.store("a", "abcd");
        const forked = { parent: key("a"), child: "b", quota: PLENTY, nowMs: desk.nowMs };
        await catalog.fork(forked);
        const pin = { session: key("b"), nowMs: desk.nowMs, quota: PLENTY };
        await catalog.pin({ ...pin, untilMs: desk.nowMs + 3 * QUARANTINE_MS });
        desk.nowMs += 2 * QUARANTINE_MS;
        expect(await desk.sweep()).toMatchObject({ expiredSessions: 1, unlinkable: [] });
        await catalog.end(key("b"), desk.nowMs);
        expect((await desk.sweep()).unlinkable).toEqual([file]);
      });

      it("does no more in a pass than its limit, and goes on in the next", async () => {
        for (const name of ["a", "b", "c"]) await desk.create(name);
        await desk.reserved("a");
        desk.nowMs += RETENTION.ttlMs;
        expect(await desk.sweep(2)).toMatchObject({
          abortedTurns: 1,
          expiredSessions: 1,
          isFull: true,
        });
        expect(await desk.sweep(3)).toMatchObject({ expiredSessions: 2, isFull: false });
      });

      it("forgets no file that is in use, whoever says that it is gone", async () => {
        await desk.create("a");
        const { file } = await desk.store("a", "abcd");
        await catalog.unlinked([file]);
        expect(await catalog.file(file)).toMatchObject({ referencedBytes: 40 });
      });
    });
  });
}
