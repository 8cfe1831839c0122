/** Whether a segment that is listed is still what became durable. */
import { copyFile, rename, truncate, unlink } from "node:fs/promises";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { ok } from "../../support/location-results.ts";
import { KV_START, LAYOUTS, Stand } from "./stand.ts";

const DAMAGED = { kind: "damaged", reason: "crc" };

describe("a recheck", () => {
  let stand: Stand;
  beforeEach(async () => {
    stand = await Stand.open();
  });
  afterEach(() => stand.close());

  it("answers `ok` with the stat as it is now", async () => {
    const durable = await stand.durable();
    const stat = ok(await stand.location.stat(durable.segment.file.name));

    expect(await stand.verifier().recheck(durable)).toEqual({ kind: "ok", stat });
    expect(stand.rechecks).toEqual([{ result: "ok", bytes: durable.bytes.length, durationMs: 0 }]);
  });

  it("takes no note of bytes around the segment, nor of zeros in it", async () => {
    const durable = await stand.durable();
    await stand.write(-1, Uint8Array.of(9));
    await stand.write(durable.bytes.length, Uint8Array.of(9));

    expect(await stand.verifier().recheck(durable)).toMatchObject({ kind: "ok" });
  });

  it("is content with another file whose bytes are the same: a copy that was put back", async () => {
    const durable = await stand.durable();
    await copyFile(stand.path(), stand.path("copy"));
    await rename(stand.path("copy"), stand.path());

    expect(await stand.verifier().recheck(durable)).toMatchObject({ kind: "ok" });
  });

  it("finds another file with other bytes", async () => {
    const durable = await stand.durable();
    await stand.reserved({ name: "other" });
    await rename(stand.path("other"), stand.path());

    expect(await stand.verifier().recheck(durable)).toEqual(DAMAGED);
  });

  it("finds a file that is gone, and one that is cut", async () => {
    const durable = await stand.durable();
    await truncate(stand.path(), KV_START + durable.bytes.length - 1);
    const cut = await stand.verifier().recheck(durable);
    await unlink(stand.path());
    const gone = await stand.verifier().recheck(durable);

    expect(cut).toEqual({ kind: "damaged", reason: "truncated" });
    expect(gone).toEqual({ kind: "damaged", reason: "missing" });
  });

  it("reads nothing past its queue's limit", async () => {
    const durable = await stand.durable();
    const verifier = stand.verifier({ queueLimit: 1 });

    const [first, second] = await Promise.all([
      verifier.recheck(durable),
      verifier.recheck(durable),
    ]);

    expect(first.kind).toBe("ok");
    expect(second).toEqual({ kind: "unreadable", reason: "queue_full" });
  });
});

describe.each(Object.entries(LAYOUTS))("any bit of a durable segment of %s", (_, layout) => {
  let stand: Stand;
  beforeAll(async () => {
    stand = await Stand.open();
  });
  afterAll(() => stand.close());

  it("turns the recheck when it alone is flipped, and turns it back", async () => {
    const durable = await stand.durable({ layout, tokens: 8 });
    const verifier = stand.verifier();
    const bits = fc.integer({ min: 0, max: durable.bytes.length * 8 - 1 });
    await fc.assert(
      fc.asyncProperty(bits, async (bit) => {
        await stand.flipBit(bit);
        const flipped = await verifier.recheck(durable);
        await stand.flipBit(bit);
        const restored = await verifier.recheck(durable);
        expect([flipped, restored.kind]).toEqual([DAMAGED, "ok"]);
      }),
      { numRuns: 100, examples: [[0], [durable.bytes.length * 8 - 1]] },
    );
  });
});
