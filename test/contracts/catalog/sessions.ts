import { beforeEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { key, type KvDesk, PLENTY, RETENTION } from "../../support/kv-desk.ts";

export function describeSessions(opened: () => KvDesk): void {
  describe("sessions", () => {
    let desk: KvDesk;
    let catalog: Catalog;
    beforeEach(() => {
      desk = opened();
      catalog = desk.catalog;
    });

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
      expect(await desk.use("a")).toBe(true);
      desk.nowMs += RETENTION.ttlMs - 1;
      expect(await desk.create("a")).toMatchObject({ kind: "exists" });
      desk.nowMs += 1;
      expect(await desk.use("a")).toBe(false);
    });

    it("keeps no session beyond its greatest age, however often it is used", async () => {
      await desk.create("a", { retention: { ...RETENTION, ttlMs: 10, maxAgeMs: 15 } });
      desk.nowMs += 9;
      expect(await desk.use("a")).toBe(true);
      desk.nowMs += 5;
      expect(await desk.use("a")).toBe(true);
      desk.nowMs += 1;
      expect(await desk.use("a")).toBe(false);
    });

    it("lives by other rules from when it is given them, for longer or shorter", async () => {
      await desk.create("a");
      const given = { session: key("a"), nowMs: desk.nowMs, ttlMs: undefined };
      const short = { ...RETENTION, name: "short", ttlMs: 20, maxAgeMs: 100 };
      const amended = await catalog.amend({ ...given, retention: short });
      expect(amended).toMatchObject({ retention: short, expiresAtMs: desk.nowMs + 20 });
      expect(await catalog.session(key("a"))).toEqual(amended);
      const longer = await catalog.amend({ ...given, retention: undefined, ttlMs: 90 });
      expect(longer).toMatchObject({ expiresAtMs: desk.nowMs + 90 });
      expect(longer?.retention).toEqual({ ...short, ttlMs: 90 });
      const longest = await catalog.amend({ ...given, retention: undefined, ttlMs: 900 });
      expect(longest).toMatchObject({ expiresAtMs: desk.nowMs + 100 });
      expect(await catalog.amend({ ...given, session: key("x"), retention: short })).toBe(
        undefined,
      );
    });

    it("lists the sessions of a tenant page by page, and no other's", async () => {
      for (const name of ["b", "a-", "a", "other/a", "a0"]) await desk.create(name);
      const page = async (after: string | undefined) =>
        (await catalog.sessions({ tenant: "t", after, limit: 3 })).map(({ id }) => id);
      expect(await page(undefined)).toEqual(["a", "a-", "a0"]);
      expect(await page("a0")).toEqual(["b"]);
      expect(await page("a")).toEqual(["a-", "a0", "b"]);
      expect(await page("b")).toEqual([]);
    });

    it("shortens no life when the clock goes back", async () => {
      await desk.create("a");
      const before = (await catalog.session(key("a")))?.expiresAtMs;
      desk.nowMs -= 500_000;
      await desk.use("a");
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
      expect(await desk.create("a")).toMatchObject({ kind: "exists" });
      desk.nowMs = untilMs;
      await desk.sweep();
      expect(await catalog.tenantUsage("t")).toMatchObject({ sessions: 0, pins: 0 });
    });

    it("pins for no longer than the retention class allows", async () => {
      await desk.create("a");
      const pin = { session: key("a"), nowMs: desk.nowMs, quota: PLENTY };
      const longest = desk.nowMs + RETENTION.pinLimitMs;
      expect(await catalog.pin({ ...pin, untilMs: longest + 1 })).toBe("pin_limit");
      expect(await catalog.tenantUsage("t")).toMatchObject({ pins: 0 });
      expect(await catalog.pin({ ...pin, untilMs: longest })).toBe("pinned");
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
      expect(await catalog.pin({ ...pin, session: key("a"), untilMs: untilMs + 1 })).toBe("pinned");
      expect(await catalog.pin({ ...pin, session: key("a"), untilMs: 0 })).toBe("unpinned");
      expect(await catalog.pin({ ...pin, session: key("b"), untilMs })).toBe("pinned");
      expect(await catalog.pin({ ...pin, session: key("c"), untilMs })).toBe("no_session");
    });
  });
}
