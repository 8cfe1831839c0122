/** What the bytes must be like for a segment to become durable. */
import { utimesSync } from "node:fs";
import { copyFile, rename, truncate, unlink } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { isSameContent } from "../../../src/kv/location.ts";
import { patterned } from "../../support/bytes.ts";
import { settle } from "../../support/fake-clock.ts";
import { ok } from "../../support/location-results.ts";
import { hooked, LAYOUTS, QUIET_MS, SETTLE_MAX_MS, Stand, TOKENS } from "./stand.ts";

const BLOCK = 4096;
const UNVERIFIED = { kind: "dropped", reason: "unverified" };

let stand: Stand;
beforeEach(async () => {
  stand = await Stand.open();
});
afterEach(() => stand.close());

describe.each(Object.entries(LAYOUTS))("a segment of %s", (_, layout) => {
  it("is durable with its CRC when all of it was written before", async () => {
    const { bytes, ...written } = await stand.written({ layout });
    const stat = ok(await stand.location.stat(written.segment.file.name));

    const verdict = await stand.passing(stand.verifier().verify(written));

    expect(verdict).toEqual({ kind: "durable", crc: crc32(bytes), stat });
    expect(stand.ends).toEqual([
      { result: "durable", bytes: bytes.length, passes: 2, durationMs: QUIET_MS },
    ]);
  });

  it("is never durable when its writer died at any 4 KiB, and the rest of the file is zero [a]", async () => {
    const whole = await stand.reserved({ layout });
    const bytes = patterned(whole.segment.bytes);
    for (let torn = 0; torn < bytes.length; torn += BLOCK) {
      const name = `torn-${torn}`;
      const written = await stand.reserved({ layout, name });
      await stand.write(0, bytes.subarray(0, torn), name);
      const verdict = await stand.passing(stand.verifier().verify(written));
      expect(verdict, `torn at ${torn}`).toEqual(UNVERIFIED);
    }
    expect(new Set(stand.ends.map(({ result }) => result))).toEqual(new Set(["zero_block"]));
    expect(stand.ends).toHaveLength(Math.ceil(bytes.length / BLOCK));
  });

  it("is never durable with any 4 KiB of it left out", async () => {
    const whole = await stand.reserved({ layout });
    const bytes = patterned(whole.segment.bytes);
    for (let hole = 0; hole + BLOCK <= bytes.length; hole += BLOCK) {
      const name = `hole-${hole}`;
      const written = await stand.reserved({ layout, name });
      await stand.write(0, bytes.subarray(0, hole), name);
      await stand.write(hole + BLOCK, bytes.subarray(hole + BLOCK), name);
      const verdict = await stand.passing(stand.verifier().verify(written));
      expect(verdict, `hole at ${hole}`).toEqual(UNVERIFIED);
    }
  });
});

describe("a block of zeros", () => {
  it("is an engine's word for nothing written in bf16, where one token of one layer suffices", async () => {
    const written = await stand.written();
    await stand.write(512, new Uint8Array(512));

    expect(await stand.passing(stand.verifier().verify(written))).toEqual(UNVERIFIED);
  });

  it("may be a token in fp8, whose values round to zero", async () => {
    const written = await stand.written({ layout: LAYOUTS.fp8 });
    await stand.write(256, new Uint8Array(256));

    expect((await stand.passing(stand.verifier().verify(written))).kind).toBe("durable");
  });

  it("may be 4 KiB in fp8 that are not aligned in the file, as nothing leaves such a hole", async () => {
    const written = await stand.written({ layout: LAYOUTS.fp8 });
    await stand.write(256, new Uint8Array(BLOCK));

    expect((await stand.passing(stand.verifier().verify(written))).kind).toBe("durable");
  });
});

describe("a writer that is late", () => {
  /** The engine writes the next quarter before each read from the second on. */
  async function slowly(quarters: number) {
    const reserved = await stand.reserved();
    const bytes = patterned(reserved.segment.bytes);
    const quarter = bytes.length / 4;
    const location = hooked(stand.location, {
      beforeRead: async (read) => {
        const at = (read - 2) * quarter;
        if (read > 1 && read <= quarters + 1) {
          await stand.write(at, bytes.subarray(at, at + quarter));
        }
      },
    });
    return {
      bytes,
      verdict: await stand.passing(stand.verifier().verify({ ...reserved, location })),
    };
  }

  it("is waited for, and two reads follow its last write", async () => {
    const { bytes, verdict } = await slowly(4);

    expect(verdict).toMatchObject({ kind: "durable", crc: crc32(bytes) });
    expect(stand.ends).toMatchObject([{ passes: 6, durationMs: SETTLE_MAX_MS }]);
  });

  it("is given up after settleMaxMs", async () => {
    const { verdict } = await slowly(3);

    expect(verdict).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ result: "zero_block", durationMs: SETTLE_MAX_MS }]);
  });

  it("is given up when it still changes what is there", async () => {
    const written = await stand.written();
    const location = hooked(stand.location, { beforeRead: (read) => stand.flipBit(read) });

    const verdict = await stand.passing(stand.verifier().verify({ ...written, location }));

    expect(verdict).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ result: "unsettled" }]);
  });

  it("that flips a bit between two reads has it in the CRC: there is nothing to know it by", async () => {
    const written = await stand.written();
    const location = hooked(stand.location, {
      beforeRead: async (read) => {
        if (read === 2) await stand.flipBit(77_777);
      },
    });
    const flipped = Uint8Array.from(written.bytes);
    flipped[9722] = (flipped[9722] as number) ^ 2;

    const verdict = await stand.passing(stand.verifier().verify({ ...written, location }));

    expect(verdict).toMatchObject({ kind: "durable", crc: crc32(flipped) });
    expect(stand.ends).toMatchObject([{ passes: 3 }]);
  });

  it("is seen when it stalls between two blocks for longer than quietMs", async () => {
    const written = await stand.reserved();
    const bytes = patterned(written.segment.bytes);
    await stand.write(0, bytes.subarray(0, -512));

    expect(await stand.passing(stand.verifier().verify(written))).toEqual(UNVERIFIED);
  });

  it("is not seen when it stalls inside a block, until it goes on and a recheck finds it", async () => {
    const written = await stand.reserved();
    const bytes = patterned(written.segment.bytes);
    await stand.write(0, bytes.subarray(0, -508));
    const verifier = stand.verifier();

    const verdict = await stand.passing(verifier.verify(written));
    if (verdict.kind !== "durable") throw new Error(verdict.reason);
    const segment = { ...written.segment, state: "durable", crc: verdict.crc } as const;
    await stand.write(bytes.length - 508, bytes.subarray(-508));

    const stat = ok(await stand.location.stat(segment.file.name));
    expect(stat !== undefined && isSameContent(stat, verdict.stat)).toBe(false);
    const found = await verifier.recheck({ ...written, segment });
    expect(found).toEqual({ kind: "damaged", reason: "crc" });
  });

  it("that writes after the stat and before the reads leaves a stat that differs", async () => {
    const written = await stand.written();
    const location = hooked(stand.location, {
      onOpened: (read) => {
        if (read === 1) utimesSync(stand.path(), 1_000, 1_000);
      },
    });

    const verdict = await stand.passing(stand.verifier().verify({ ...written, location }));
    if (verdict.kind !== "durable") throw new Error(verdict.reason);

    const stat = ok(await stand.location.stat(written.segment.file.name));
    expect(stat !== undefined && isSameContent(stat, verdict.stat)).toBe(false);
  });

  it("may go on in the next reservation of the file meanwhile, which grows by right", async () => {
    const written = await stand.written();
    const location = hooked(stand.location, {
      beforeRead: async (read) => {
        if (read === 2) await truncate(stand.path(), 1_000_000);
      },
    });

    const verdict = await stand.passing(stand.verifier().verify({ ...written, location }));

    expect(verdict).toMatchObject({ kind: "durable", crc: crc32(written.bytes) });
  });
});

describe("a file", () => {
  const meanwhile = async (change: () => Promise<void>): Promise<unknown> => {
    const written = await stand.written();
    const location = hooked(stand.location, {
      beforeRead: async (read) => {
        if (read === 2) await change();
      },
    });
    return stand.passing(stand.verifier().verify({ ...written, location }));
  };
  const replace = async (): Promise<void> => {
    await copyFile(stand.path(), stand.path("copy"));
    await rename(stand.path("copy"), stand.path());
  };

  it("that is missing drops the segment", async () => {
    const written = await stand.written();
    await unlink(stand.path());

    expect(await stand.passing(stand.verifier().verify(written))).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ result: "missing", passes: 1, durationMs: 0 }]);
  });

  it("that goes between the reads drops the segment", async () => {
    expect(await meanwhile(() => unlink(stand.path()))).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ result: "missing" }]);
  });

  it("that is one byte short drops the segment", async () => {
    const written = await stand.written();
    await truncate(stand.path(), 8192 + written.bytes.length - 1);

    expect(await stand.passing(stand.verifier().verify(written))).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ result: "truncated" }]);
  });

  it("that is cut between the reads drops the segment", async () => {
    expect(await meanwhile(() => truncate(stand.path(), 10_000))).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ result: "truncated" }]);
  });

  it("that another takes the name of drops the segment, though its bytes be the same", async () => {
    expect(await meanwhile(replace)).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ result: "replaced" }]);
  });

  it("that a whole one takes the name of, while it is empty, drops the segment: nobody knows whose it is", async () => {
    const reserved = await stand.reserved();
    await stand.written({ name: "other" });
    const verifying = stand.verifier().verify(reserved);
    while (stand.clock.pendingTimers === 0) await settle();
    await rename(stand.path("other"), stand.path());

    const verdict = await stand.passing(verifying);

    expect(verdict).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ result: "replaced" }]);
  });

  it("that another takes the name of before the sync drops the segment", async () => {
    const written = await stand.written();
    const location = hooked(stand.location, { beforeSync: replace });

    const verdict = await stand.passing(stand.verifier().verify({ ...written, location }));

    expect(verdict).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ result: "replaced" }]);
  });
});

describe("a clock that jumps", () => {
  it("a day on during a read costs no segment: two reads are made whatever it says", async () => {
    const written = await stand.written();
    const location = hooked(stand.location, {
      beforeRead: () => stand.clock.advance(86_400_000),
    });

    const verdict = await stand.passing(stand.verifier().verify({ ...written, location }));

    expect(verdict.kind).toBe("durable");
  });

  it("a day on while the engine writes drops it without another wait", async () => {
    const reserved = await stand.reserved({ tokens: TOKENS });
    const location = hooked(stand.location, {
      beforeRead: () => stand.clock.advance(86_400_000),
    });

    const verdict = await stand.passing(stand.verifier().verify({ ...reserved, location }));

    expect(verdict).toEqual(UNVERIFIED);
    expect(stand.ends).toMatchObject([{ passes: 2 }]);
  });
});
