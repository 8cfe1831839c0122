import * as fs from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { SMALL_TOKEN_BYTES } from "../../support/small-model.ts";
import { POLICY, session, spans } from "../../support/turn-bench.ts";
import type { TurnBench } from "../../support/turn-bench.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { end, filesOf, KEEPER_POLICY, KeeperStand, type StandOptions } from "./keeper-stand.ts";

/** Nobody who was told of a file reads it so long after. */
const goneMs = POLICY.turnMs + KEEPER_POLICY.leftoverMs + KEEPER_POLICY.quarantineMs;
/** Tokens of the segment that survives, and of those that do not. */
const [KEPT, LOST] = ["kept ", "a much longer rest of the story"];

describe.each(CATALOGS)("compaction over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  const stands: KeeperStand[] = [];
  let bench: TurnBench;
  beforeEach(async () => {
    bench = await benches.open();
  });
  afterEach(async () => {
    for (const stand of stands.splice(0)) await stand.keeper.close();
    expect(await benches.close()).toEqual([]);
  });

  function keep(options: StandOptions = {}): KeeperStand {
    const stand = new KeeperStand(bench, { stockIntervalMs: 1e12, ...options });
    stands.push(stand);
    return stand;
  }

  /** The session `b` lists the first segment of a file of which `a` had the rest. */
  async function survivor(): Promise<void> {
    await bench.create("a");
    await bench.turn("a", KEPT, "");
    await bench.sessions.fork(session("a"), "b");
    await bench.turn("a", `${KEPT}${LOST}`, "");
    await end(bench, "a");
  }

  async function fileOfSurvivor(): Promise<string | undefined> {
    const [segment] = await bench.catalog.segments(session("b"));
    return segment?.file.name;
  }

  it("moves what survives into an object of its own, and the old file goes after its quarantine", async () => {
    await survivor();
    const before = await fs.readFile(join(bench.root, "a"));
    const stand = keep();
    await stand.pass();
    const copy = (await fileOfSurvivor()) ?? "";
    expect(stand.copies).toMatchObject([{ result: "moved", location: "disk" }]);
    expect(await filesOf(bench)).toEqual(["a", copy]);
    const bytes = KEPT.length * SMALL_TOKEN_BYTES;
    expect(await fs.readFile(join(bench.root, copy))).toEqual(before.subarray(0, bytes));
    const plan = await bench.plan("b", `${KEPT}and more`);
    expect(spans(plan.stored)).toEqual([[0, KEPT.length]]);
    expect(plan.stored).toMatchObject([{ kvUri: `file:///${copy}`, kvStart: 0 }]);
    await stand.passAfter(goneMs);
    expect(stand.results()).toContain("a removed");
    expect((await bench.catalog.segments(session("b"))).map(({ file }) => file.name)).toEqual([
      copy,
    ]);
  });

  it("leaves alone a file of which half is referred to", async () => {
    await bench.create("a");
    await bench.turn("a", KEPT, "");
    await bench.sessions.fork(session("a"), "b");
    await bench.turn("a", `${KEPT}short`, "");
    await end(bench, "a");
    const stand = keep();
    await stand.pass();
    expect(stand.copies).toEqual([]);
  });

  it("never lists a copy of damaged bytes, and has the scrubber look at them", async () => {
    await survivor();
    await bench.write({ kvUri: "file:///a", kvStart: 0, tokenStart: 0, tokenLength: 1 }, 0x11);
    const stand = keep();
    await stand.pass();
    const [segment] = await bench.catalog.segments(session("b"));
    expect(stand.copies[0]).toMatchObject({ result: "unreadable", segment: segment?.id });
    expect(segment?.file.name).toBe("a");
    expect(stand.scrubbed).toContain(segment?.id);
    expect(await filesOf(bench)).toEqual(["a"]);
  });

  it("removes a copy that took too long, and tries again", async () => {
    await survivor();
    let jumps = 0;
    const stand = keep({ wallMs: () => bench.clock.now() + 100_000 * jumps++, limit: 1 });
    while (stand.copies.length === 0) await stand.pass();
    expect(stand.copies[0]?.result).toBe("late");
    expect(await fileOfSurvivor()).toBe("a");
    expect(await filesOf(bench)).toEqual(["a"]);
  });

  it("holds no room for copies that failed, however often they are tried", async () => {
    await benches.close();
    let isBroken = false;
    const link = async (path: string, to: string): Promise<void> => {
      const failure = { code: "EIO", syscall: "link" };
      if (isBroken) throw Object.assign(new Error("the device fails"), failure);
      await fs.link(path, to);
    };
    bench = await benches.open({ fs: { ...fs, link } });
    await survivor();
    const before = await bench.catalog.locationUsage("disk");
    isBroken = true;
    const stand = keep();
    while (stand.copies.length < 5) await stand.pass();
    expect(stand.copies[0]?.result).toBe("io");
    expect(await bench.catalog.locationUsage("disk")).toEqual(before);
    expect(await filesOf(bench)).toEqual(["a"]);
  });

  it("goes on with other parts of a pass when the location is full", async () => {
    await benches.close();
    bench = await benches.open({ diskBytes: 38 * SMALL_TOKEN_BYTES });
    await survivor();
    const stand = keep();
    await stand.pass();
    expect(stand.copies[0]?.result).toBe("no_space");
    expect(await fileOfSurvivor()).toBe("a");
    expect(stand.failures).toEqual([]);
  });
});
