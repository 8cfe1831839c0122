/** Each call that a pass makes to the file system fails once, and in another run it is the last that is made, as in a crash. */
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";

import { MemoryStore } from "../../../src/kv/catalog/memory.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import { failingFs } from "../../support/failing-fs.ts";
import { faultOf } from "../../support/location-results.ts";
import { POLICY, session, TurnBench } from "../../support/turn-bench.ts";
import { end, filesOf, KEEPER_POLICY, KeeperStand } from "./keeper-stand.ts";

const NONE = { at: Infinity, mode: "once" } as const;
/** Nobody who was told of a file reads it so long after. */
const goneMs = POLICY.turnMs + KEEPER_POLICY.leftoverMs + KEEPER_POLICY.quarantineMs;
const KEPT = "kept ";

const stands: KeeperStand[] = [];
afterEach(async () => {
  for (const { keeper, bench } of stands.splice(0)) {
    await keeper.close();
    await bench.close();
  }
});

/**
 * What a pass finds: a file of which little survives, one that is to be unlinked, a dead draft, and an orphan.
 */
async function scene(fs: ReturnType<typeof failingFs>): Promise<TurnBench> {
  const bench = await TurnBench.open({ catalog: await openCatalog(new MemoryStore()), fs });
  for (const id of ["a", "c"]) await bench.create(id);
  await bench.turn("c", "to be unlinked", "");
  await end(bench, "c");
  await bench.turn("a", KEPT, "");
  await bench.sessions.fork(session("a"), "b");
  await bench.turn("a", `${KEPT}and a much longer rest`, "");
  await end(bench, "a");
  const draft = join(bench.root, ".old.d1.part");
  await writeFile(draft, "half of a put");
  await ageDrafts(bench);
  await writeFile(join(bench.root, "orphan"), "of an earlier catalog");
  return bench;
}

/** To when the bench's clock began. */
async function ageDrafts(bench: TurnBench): Promise<void> {
  const drafts = (await filesOf(bench)).filter((name) => name.endsWith(".part"));
  for (const draft of drafts) await utimes(join(bench.root, draft), 0, 0);
}

/** The bytes of the one segment that is listed. */
async function survivor({ catalog, locations }: TurnBench): Promise<Uint8Array> {
  const [segment] = await catalog.segments(session("b"));
  const [location] = locations;
  if (segment === undefined || location === undefined) throw new Error("the segment is lost");
  const bytes = new Uint8Array(segment.bytes);
  const fault = await location.readInto(segment.file.name, segment.kvStart, bytes);
  expect(faultOf(fault)).toBeUndefined();
  return bytes;
}

it.each(["once", "crash"] as const)(
  "nothing is lost whichever call of a pass fails, and the next passes do what is left: %s",
  { timeout: 60_000 },
  async (mode) => {
    const results = new Set<string>();
    for (let at = 1, isOver = false; !isOver; at++) {
      const fs = failingFs();
      const bench = await scene(fs);
      await bench.clock.advance(goneMs);
      fs.restart({ at, mode });
      const stand = new KeeperStand(bench, { limit: 3, stockIntervalMs: 1 });
      stands.push(stand);
      while (stand.passes === 0) await stand.step();
      isOver = fs.trace.length < at;
      fs.restart(NONE);
      expect(new Set(await survivor(bench)), `call ${at}`).toEqual(new Set([0x5a]));
      for (const { result } of stand.ends) results.add(result);
      for (const { result } of stand.copies) results.add(result);

      await ageDrafts(bench);
      await stand.passAfter(goneMs);
      await stand.passAfter(goneMs);
      const [kept] = await bench.catalog.segments(session("b"));
      expect(await filesOf(bench), `call ${at}`).toEqual([kept?.file.name, "orphan"]);
      expect(new Set(await survivor(bench)), `call ${at}`).toEqual(new Set([0x5a]));
      expect(await bench.catalog.audit(), `call ${at}`).toEqual([]);
    }
    expect([...results]).toEqual(expect.arrayContaining(["io", "moved", "removed"]));
  },
);
