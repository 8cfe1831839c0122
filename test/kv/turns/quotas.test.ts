import { afterEach, describe, expect, it } from "vitest";

import { session } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

describe.each(CATALOGS)("quotas of sessions and pins over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  async function bench(quota: { readonly sessions: number; readonly pins: number }) {
    const opened = await benches.open({ quota: { bytes: 1e9, ...quota } });
    await opened.create("a");
    return opened;
  }

  it("refuse a session and a fork above them, and tell of each", async () => {
    const opened = await bench({ sessions: 1, pins: 0 });
    await opened.create("b");
    expect(await opened.catalog.session(session("b"))).toBeUndefined();
    const forked = await opened.sessions.fork(session("a"), "c");
    expect(forked).toEqual({ kind: "refused", reason: "quota_sessions" });
    expect(opened.seen).toEqual(["quota refused sessions", "quota refused sessions"]);
  });

  it("refuse a pin and a prefix above them, and tell of each", async () => {
    const opened = await bench({ sessions: 9, pins: 0 });
    await opened.turn("a", "one ", "two ");
    opened.seen.length = 0;
    const untilMs = opened.clock.now() + 1_000;
    expect(await opened.sessions.pin(session("a"), untilMs)).toBe("quota_pins");
    const prefix = { prefix: { tenant: "", name: "p" }, session: "a", tokens: 8, to: [] };
    expect(await opened.sessions.createPrefix({ ...prefix, ttlMs: undefined })).toEqual({
      kind: "refused",
      reason: "quota_pins",
    });
    expect(opened.seen).toEqual(["quota refused pins", "quota refused pins"]);
  });

  it("tell of nothing that is within them", async () => {
    const { sessions, seen } = await bench({ sessions: 2, pins: 0 });
    await sessions.fork(session("a"), "b");
    expect(seen).toEqual([]);
  });
});
