/** Which engine it was that wrote, and what happens around a verification: faults, limits, an end at any moment. */
import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { SegmentWriter } from "../../../src/kv/verify/segment-verifier.ts";
import { settle } from "../../support/fake-clock.ts";
import { failingFs } from "../../support/failing-fs.ts";
import { hooked, QUIET_MS, Stand, writer } from "./stand.ts";

const UNVERIFIED = { kind: "dropped", reason: "unverified" };
const RESTARTED = { kind: "dropped", reason: "engine_restarted" };

let stand: Stand;
beforeEach(async () => {
  stand = await Stand.open();
});
afterEach(() => stand.close());

describe("an engine", () => {
  const verdictFor = async (asked: SegmentWriter): Promise<unknown> => {
    const written = await stand.written();
    const verifier = stand.verifier({ engine: "probe" });
    return stand.passing(verifier.verify({ ...written, writer: asked }));
  };

  it("that is still the process that it was at the plan wrote a durable segment", async () => {
    expect(await verdictFor(writer("started-1", "started-1"))).toMatchObject({ kind: "durable" });
  });

  it("whose probe has answered is waited for no longer", async () => {
    const written = await stand.written();
    const timers: number[] = [];
    const location = hooked(stand.location, {
      beforeSync: () => void timers.push(stand.clock.pendingTimers),
    });
    const verifier = stand.verifier({ engine: "probe" });
    await stand.passing(verifier.verify({ ...written, location }));

    expect(timers).toEqual([0]);
  });

  it("that was started anew drops the segment, though two reads of it agree", async () => {
    expect(await verdictFor(writer("started-1", "started-2"))).toEqual(RESTARTED);
    expect(stand.ends).toMatchObject([{ result: "engine_restarted", passes: 2 }]);
  });

  it("that nobody knows now drops the segment", async () => {
    expect(await verdictFor(writer("started-1", undefined))).toEqual(RESTARTED);
    expect(stand.ends).toMatchObject([{ result: "engine_unknown" }]);
  });

  it("that nobody knew at the plan drops the segment without a read", async () => {
    expect(await verdictFor(writer(undefined, undefined))).toEqual(RESTARTED);
    expect(stand.ends).toMatchObject([{ result: "engine_unknown", passes: 0 }]);
  });

  it.each([
    ["rejects", () => Promise.reject(new Error("refused"))],
    [
      "throws",
      () => {
        throw new Error("no address");
      },
    ],
  ])("whose probe %s is unknown", async (_, instance) => {
    expect(await verdictFor({ atPlan: "started-1", probe: { instance } })).toEqual(RESTARTED);
    expect(stand.ends).toMatchObject([{ result: "engine_unknown" }]);
  });

  it("whose probe does not answer in time is unknown", async () => {
    const instance = (): Promise<never> => new Promise(() => undefined);

    expect(await verdictFor({ atPlan: "started-1", probe: { instance } })).toEqual(RESTARTED);
    expect(stand.ends).toMatchObject([{ result: "engine_unknown", durationMs: QUIET_MS + 50 }]);
    expect(stand.clock.pendingTimers).toBe(0);
  });

  it("is asked after the second read, so that a restart before it is seen", async () => {
    let instance = "started-1";
    const written = await stand.written();
    const location = hooked(stand.location, {
      beforeRead: (read) => {
        if (read === 2) instance = "started-2";
      },
    });
    const probe = { instance: () => Promise.resolve(instance) };
    const verifying = stand
      .verifier({ engine: "probe" })
      .verify({ ...written, location, writer: { atPlan: "started-1", probe } });

    expect(await stand.passing(verifying)).toEqual(RESTARTED);
  });

  it("is asked nothing when the configuration says `none`", async () => {
    const written = await stand.written();
    const verdict = await stand.passing(
      stand.verifier().verify({ ...written, writer: writer(undefined, "started-2") }),
    );

    expect(verdict.kind).toBe("durable");
  });
});

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

describe("a file system that fails at call 1, 2, 3 and so on", () => {
  it("never makes a segment durable that was not read twice and synced, and leaks no descriptor", async () => {
    const written = await stand.written();
    const failed: string[] = [];
    const before = openDescriptors();
    for (let at = 1; ; at++) {
      const fs = failingFs();
      const location = await stand.reopened({ fs });
      fs.restart({ at, mode: "once" });
      const verdict = await stand.passing(stand.verifier().verify({ ...written, location }));
      const call = fs.trace[at - 1];
      await location.close();
      expect(openDescriptors(), `call ${at}`).toBe(before);
      if (call === undefined) break;
      failed.push(call);
      expect(verdict, `call ${at}: ${call}`).toEqual(UNVERIFIED);
      expect(stand.ends.at(-1)?.result).toBe("io");
    }
    // Each of two reads, and the sync of file and folder.
    expect(failed.filter((call) => call === "read").length).toBeGreaterThanOrEqual(2);
    expect(failed.filter((call) => call === "sync")).toHaveLength(2);
  });

  it("makes a recheck `unreadable`, and never `damaged`", async () => {
    const durable = await stand.durable();
    for (let at = 1; ; at++) {
      const fs = failingFs();
      const location = await stand.reopened({ fs });
      fs.restart({ at, mode: "once" });
      const found = await stand.verifier().recheck({ ...durable, location });
      const isOver = fs.trace.length < at;
      await location.close();
      if (isOver) break;
      expect(found, `call ${at}`).toEqual({ kind: "unreadable", reason: "io" });
    }
    expect(stand.rechecks.length).toBeGreaterThan(4);
  });
});

describe("the queue", () => {
  it("takes as many verifications as its limit, and drops the next one unread", async () => {
    const written = await stand.written();
    const verifier = stand.verifier({ queueLimit: 2 });

    const verdicts = await stand.passing(
      Promise.all([verifier.verify(written), verifier.verify(written), verifier.verify(written)]),
    );

    expect(verdicts.map(({ kind }) => kind)).toEqual(["durable", "durable", "dropped"]);
    expect(stand.ends[0]).toMatchObject({ result: "queue_full", passes: 0 });
  });

  it("says what is under way, and what of it is being read", async () => {
    const written = await stand.written();
    const bytes = written.bytes.length;
    const verifier = stand.verifier();
    const loads: unknown[] = [];
    const location = hooked(stand.location, { beforeRead: () => void loads.push(verifier.load) });

    const verifying = verifier.verify({ ...written, location });
    while (stand.clock.pendingTimers === 0) await settle();
    loads.push(verifier.load);
    await stand.passing(verifying);
    await verifier.recheck({ ...written, location });

    expect([...loads, verifier.load]).toEqual([
      { verifying: 1, rechecking: 0, bytes },
      { verifying: 1, rechecking: 0, bytes: 0 },
      { verifying: 1, rechecking: 0, bytes },
      { verifying: 0, rechecking: 1, bytes },
      { verifying: 0, rechecking: 0, bytes: 0 },
    ]);
  });

  it("has room again when one has ended", async () => {
    const written = await stand.written();
    const verifier = stand.verifier({ queueLimit: 1 });
    await stand.passing(verifier.verify(written));

    expect((await stand.passing(verifier.verify(written))).kind).toBe("durable");
  });

  it("lets a hundred wait out their quiet time together, though one is read at a time", async () => {
    const written = await stand.written();
    let reading = 0;
    let most = 0;
    const location = hooked(stand.location, {
      beforeRead: () => {
        most = Math.max(most, ++reading);
      },
      afterRead: () => {
        reading--;
      },
    });
    const verifier = stand.verifier({ passesLimit: 1, queueLimit: 100 });
    const all = Array.from({ length: 100 }, () => verifier.verify({ ...written, location }));

    const verdicts = await stand.passing(Promise.all(all));

    expect(new Set(verdicts.map(({ kind }) => kind))).toEqual(new Set(["durable"]));
    expect(most).toBe(1);
  });
});

describe("closing", () => {
  it.each([1, 2])("ends read %i at its next chunk, and waits for it", async (during) => {
    const written = await stand.written();
    const verifier = stand.verifier();
    const before = openDescriptors();
    const closed: Promise<number>[] = [];
    const close = async (): Promise<number> => {
      await verifier.close();
      return stand.ends.length;
    };
    const location = hooked(stand.location, {
      beforeRead: (read) => {
        if (read === during) closed.push(close());
      },
    });

    const verdict = await stand.passing(verifier.verify({ ...written, location }));

    expect(await Promise.all(closed)).toEqual([1]);
    expect(verdict).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ result: "closed", passes: during }]);
    expect(openDescriptors()).toBe(before);
  });

  it("ends a read of many chunks at the next one", async () => {
    const written = await stand.written({ tokens: 2048 }); // 4 MiB
    const verifier = stand.verifier();
    let chunks = 0;
    const location = hooked(stand.location, {
      onChunk: () => {
        if (++chunks === 1) void verifier.close();
      },
    });

    expect(await verifier.verify({ ...written, location })).toEqual(UNVERIFIED);
    expect(chunks).toBe(1);
  });

  it("ends a quiet time at once, and nothing is read after it", async () => {
    const written = await stand.written();
    const verifier = stand.verifier();
    let reads = 0;
    const location = hooked(stand.location, { beforeRead: () => void reads++ });
    const verifying = verifier.verify({ ...written, location });
    while (stand.clock.pendingTimers === 0) await settle();

    await verifier.close();

    expect(await verifying).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ result: "closed", durationMs: 0 }]);
    expect(reads).toBe(1);
    expect(stand.clock.pendingTimers).toBe(0);
  });

  it("ends a probe that does not answer", async () => {
    const written = await stand.written();
    const verifier = stand.verifier({ engine: "probe" });
    const closed: Promise<void>[] = [];
    const instance = (): Promise<never> => {
      closed.push(verifier.close());
      return new Promise(() => undefined);
    };
    const verifying = verifier.verify({ ...written, writer: { atPlan: "1", probe: { instance } } });

    expect(await stand.passing(verifying)).toEqual(UNVERIFIED);
    await Promise.all(closed);
    expect(stand.ends).toMatchObject([{ result: "closed", durationMs: QUIET_MS }]);
  });

  it("is idempotent, and whatever is asked for later is not looked at", async () => {
    const written = await stand.written();
    const verifier = stand.verifier();
    await Promise.all([verifier.close(), verifier.close()]);

    expect(await verifier.verify(written)).toEqual(UNVERIFIED);
    expect(await verifier.recheck(written)).toEqual({ kind: "unreadable", reason: "closed" });
    expect(stand.ends).toMatchObject([{ result: "closed", passes: 0 }]);
  });
});
