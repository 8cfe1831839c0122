/**
 * What every Location must do. An adapter's test calls this with a way to open an empty one. Nothing here needs a rename, an
 * append or a write in the middle, except what stands under `extend`, which only an adapter that has it is asked for.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { isSameContent, LocationFault } from "../../src/kv/location.ts";
import type { LeftoverId, Location, ObjectName, ObjectStat } from "../../src/kv/location.ts";
import { collect, expectationOf, lent, patterned } from "../support/bytes.ts";
import { faultOf, listAll, ok } from "../support/location-results.ts";

export interface OpenLocation {
  readonly location: Location;
  /** Must be above 64 MiB. */
  readonly capacityBytes: number;
  readonly close: () => Promise<void>;
}

export interface Adapter {
  readonly canExtend: boolean;
  readonly open: () => Promise<OpenLocation>;
}

const MIB = 1024 * 1024;
const a = "a" as ObjectName;
const b = "b.Epoch-1" as ObjectName;

async function* failing(bytes: Uint8Array, error: Error): AsyncGenerator<Uint8Array> {
  yield bytes;
  throw error;
}

export function describeLocation(adapterName: string, { canExtend, open }: Adapter): void {
  describe(`location contract: ${adapterName}`, () => {
    let opened: OpenLocation;
    let location: Location;
    beforeEach(async () => {
      opened = await open();
      location = opened.location;
    });
    afterEach(() => opened.close());

    const put = async (name: ObjectName, bytes: Uint8Array): Promise<ObjectStat> =>
      ok(await location.put(name, lent(bytes), expectationOf(bytes)));
    const readWhole = (name: ObjectName, length: number): Promise<Buffer> =>
      collect(location.read(name, [{ offset: 0, length }]));

    describe("reserve", () => {
      it("makes an object that is there at its full size", async () => {
        const reserved = ok(await location.reserve(a, 5 * MIB + 1));
        expect(reserved.sizeBytes).toBe(5 * MIB + 1);
        expect(ok(await location.stat(a))).toEqual(reserved);
      });

      it("answers `exists` for a name that is taken, and leaves what has it", async () => {
        const bytes = patterned(1_000);
        await put(a, bytes);
        expect(faultOf(await location.reserve(a, 10))).toBe("exists");
        expect(await readWhole(a, 1_000)).toEqual(bytes);
      });

      it("gives one of 64 concurrent callers the name", async () => {
        const results = await Promise.all(
          Array.from({ length: 64 }, (_, n) => location.reserve(a, 1_000 + n)),
        );
        const winners = results.filter((result) => !(result instanceof LocationFault));
        expect(winners).toHaveLength(1);
        expect(ok(await location.stat(a))).toEqual(winners[0]);
      });

      it("answers `no_space` for what exceeds the capacity, and makes nothing", async () => {
        expect(faultOf(await location.reserve(a, opened.capacityBytes + 1))).toBe("no_space");
        expect(await location.stat(a)).toBeUndefined();
      });
    });

    describe("stat", () => {
      it("has nothing to say of what was never there", async () => {
        expect(await location.stat(a)).toBeUndefined();
      });

      it("tells the object before from another that took its name", async () => {
        const before = await put(a, patterned(100, 1));
        await location.remove(a);
        const after = await put(a, patterned(100, 2));
        expect(isSameContent(before, after)).toBe(false);
      });

      it("stays the same while nothing is written, read and synced or not", async () => {
        const before = await put(a, patterned(100));
        await readWhole(a, 100);
        ok(await location.sync(a));
        expect(ok(await location.stat(a))).toEqual(before);
      });
    });

    describe("writeAt", () => {
      it("fills a reservation, and is seen by stat", async () => {
        const bytes = patterned(3 * MIB + 7);
        const reserved = ok(await location.reserve(a, bytes.length));
        const expectation = expectationOf(bytes);
        const written = ok(
          await location.writeAt({ name: a, offset: 0, source: lent(bytes), expect: expectation }),
        );
        expect(written.sizeBytes).toBe(bytes.length);
        expect(isSameContent(reserved, written)).toBe(false);
        expect((await readWhole(a, bytes.length)).equals(bytes)).toBe(true);
      });

      it("makes no object: an unknown name is `not_found`", async () => {
        const write = { name: a, offset: 0, source: lent(patterned(8)) };
        const result = await location.writeAt({ ...write, expect: expectationOf(patterned(8)) });
        expect(faultOf(result)).toBe("not_found");
        expect(await location.stat(a)).toBeUndefined();
      });

      it("never writes outside of what was reserved", async () => {
        ok(await location.reserve(a, 100));
        const source = (): AsyncIterable<Uint8Array> => lent(patterned(8));
        const expectation = expectationOf(patterned(8));
        for (const offset of [93, 100, -1, 0.5, Number.NaN, Number.MAX_SAFE_INTEGER]) {
          const write = { name: a, offset, source: source(), expect: expectation };
          expect(faultOf(await location.writeAt(write)), String(offset)).toBe("out_of_range");
        }
        expect(ok(await location.stat(a))?.sizeBytes).toBe(100);
        expect(await readWhole(a, 100)).toEqual(Buffer.alloc(100));
      });

      it("answers `mismatch` for too few bytes, too many, or others", async () => {
        const bytes = patterned(200_000);
        const { crc } = expectationOf(bytes);
        ok(await location.reserve(a, 400_000));
        for (const expectation of [
          { bytes: 200_001, crc },
          { bytes: 199_999, crc },
          { bytes: 200_000, crc: crc ^ 1 },
        ]) {
          const write = { name: a, offset: 0, source: lent(bytes), expect: expectation };
          expect(faultOf(await location.writeAt(write))).toBe("mismatch");
        }
        expect(ok(await location.stat(a))?.sizeBytes).toBe(400_000);
      });

      it("never writes more than was announced", async () => {
        ok(await location.reserve(a, 200_000));
        const expectation = { bytes: 100_000, crc: 0 };
        const source = lent(patterned(200_000));
        const write = { name: a, offset: 0, source, expect: expectation };
        expect(faultOf(await location.writeAt(write))).toBe("mismatch");
        const after = await collect(location.read(a, [{ offset: 100_000, length: 100_000 }]));
        expect(after.equals(Buffer.alloc(100_000))).toBe(true);
      });

      it("throws on what the source throws", async () => {
        ok(await location.reserve(a, 100));
        const error = Object.assign(new Error("reset"), { code: "ECONNRESET", syscall: "read" });
        const source = failing(patterned(8), error);
        const write = { name: a, offset: 0, source, expect: { bytes: 100, crc: 0 } };
        await expect(location.writeAt(write)).rejects.toBe(error);
      });
    });

    describe("read", () => {
      const size = 3 * MIB + 5;
      const bytes = patterned(size);

      it.each([
        ["all", 0, size],
        ["the first byte", 0, 1],
        ["the last byte", size - 1, 1],
        ["a chunk and one byte", 3, MIB + 1],
        ["two chunks less one byte", MIB - 1, 2 * MIB - 1],
        ["nothing", size, 0],
      ])("gives %s, to the byte", async (_, offset, length) => {
        await put(a, bytes);
        const got = await collect(location.read(a, [{ offset, length }]));
        expect(got.equals(bytes.subarray(offset, offset + length))).toBe(true);
      });

      it("gives many ranges one after the other, in the order asked for", async () => {
        await put(a, bytes);
        const ranges = Array.from({ length: 72 }, (_, n) => ({
          offset: 40_000 * (71 - n),
          length: 32_768 - n,
        }));
        const wanted = ranges.map(({ offset, length }) => bytes.subarray(offset, offset + length));
        const got = await collect(location.read(a, ranges));
        expect(got.equals(Buffer.concat(wanted))).toBe(true);
      });

      it("lends chunks of at most 1 MiB, each good until the next is asked for", async () => {
        await put(a, bytes);
        let at = 0;
        for await (const chunk of location.read(a, [{ offset: 0, length: size }])) {
          expect(chunk.length).toBeLessThanOrEqual(MIB);
          ok(await location.stat(a)); // time enough for whatever is read ahead
          expect(bytes.subarray(at, at + chunk.length).every((byte, n) => byte === chunk[n])).toBe(
            true,
          );
          at += chunk.length;
        }
        expect(at).toBe(size);
      });

      it("frees everything when the consumer leaves early, and reads again", async () => {
        await put(a, bytes);
        for (let n = 0; n < 50; n++) {
          for await (const chunk of location.read(a, [{ offset: 0, length: size }])) {
            expect(chunk.length).toBeGreaterThan(0);
            break;
          }
        }
        expect((await readWhole(a, size)).equals(bytes)).toBe(true);
      });

      it.each([
        ["past the end", size - 1, 2],
        ["from past the end", size + 1, 0],
        ["from before the start", -1, 2],
        ["of a negative length", 10, -1],
        ["of half a byte", 0.5, 1],
        ["beyond what numbers can say", Number.MAX_SAFE_INTEGER, 2],
      ])("throws `out_of_range` for a range %s", async (_, offset, length) => {
        await put(a, bytes);
        const reading = collect(
          location.read(a, [
            { offset: 0, length: 1 },
            { offset, length },
          ]),
        );
        await expect(reading).rejects.toMatchObject({ code: "out_of_range" });
      });

      it("throws `not_found` for an unknown name", async () => {
        await expect(readWhole(a, 1)).rejects.toMatchObject({ code: "not_found" });
      });
    });

    describe("readInto", () => {
      it("fills the target from the offset on", async () => {
        const bytes = patterned(200_000);
        await put(a, bytes);
        const target = new Uint8Array(100_001);
        expect(await location.readInto(a, 99_999, target)).toBeUndefined();
        expect(target).toEqual(new Uint8Array(bytes.subarray(99_999)));
      });

      it("answers `out_of_range` where the object has too few bytes, `not_found` where it is not", async () => {
        await put(a, patterned(100));
        expect(faultOf(await location.readInto(a, 91, new Uint8Array(10)))).toBe("out_of_range");
        expect(faultOf(await location.readInto(b, 0, new Uint8Array(1)))).toBe("not_found");
      });
    });

    describe("put", () => {
      it("makes a whole object, as large as its bytes", async () => {
        const bytes = patterned(2 * MIB + 3);
        const stat = await put(a, bytes);
        expect(stat.sizeBytes).toBe(bytes.length);
        expect(ok(await location.stat(a))).toEqual(stat);
        expect((await readWhole(a, bytes.length)).equals(bytes)).toBe(true);
      });

      it("copies what is read from another object, chunk by lent chunk", async () => {
        const bytes = patterned(3 * MIB + 1);
        await put(a, bytes);
        const source = location.read(a, [{ offset: 0, length: bytes.length }]);
        ok(await location.put(b, source, expectationOf(bytes)));
        expect((await readWhole(b, bytes.length)).equals(bytes)).toBe(true);
      });

      it("makes an empty object of no bytes", async () => {
        expect((await put(a, new Uint8Array())).sizeBytes).toBe(0);
      });

      it("never replaces an object", async () => {
        const bytes = patterned(1_000, 1);
        await put(a, bytes);
        const other = patterned(1_000, 2);
        const result = await location.put(a, lent(other), expectationOf(other));
        expect(faultOf(result)).toBe("exists");
        expect(await readWhole(a, 1_000)).toEqual(bytes);
      });

      it("lets one of 16 concurrent puts have the name, whole", async () => {
        const versions = Array.from({ length: 16 }, (_, n) => patterned(300_000, n + 1));
        const results = await Promise.all(
          versions.map((bytes) => location.put(a, lent(bytes), expectationOf(bytes))),
        );
        const winners = versions.filter((_, n) => !(results[n] instanceof LocationFault));
        expect(winners).toHaveLength(1);
        expect(await readWhole(a, 300_000)).toEqual(winners[0]);
        expect(await listAll(location)).toEqual({ names: [a], leftovers: [], foreign: [] });
      });

      it.each([
        ["too few bytes", 1, 0],
        ["too many bytes", -1, 0],
        ["other bytes", 0, 1],
      ])("leaves nothing of %s, and the name free", async (_, lengthError, crcError) => {
        const bytes = patterned(200_000);
        const { crc } = expectationOf(bytes);
        const wrong = { bytes: bytes.length + lengthError, crc: crc ^ crcError };
        expect(faultOf(await location.put(a, lent(bytes), wrong))).toBe("mismatch");
        expect(await listAll(location)).toEqual({ names: [], leftovers: [], foreign: [] });
        await put(a, bytes);
        expect((await readWhole(a, bytes.length)).equals(bytes)).toBe(true);
      });

      it("leaves nothing of a source that fails, and throws on what it threw", async () => {
        const error = new Error("the peer has gone");
        const source = failing(patterned(100_000), error);
        await expect(location.put(a, source, { bytes: 200_000, crc: 0 })).rejects.toBe(error);
        expect(await listAll(location)).toEqual({ names: [], leftovers: [], foreign: [] });
      });

      it("answers `no_space` for what exceeds the capacity, before it asks for a byte", async () => {
        let asked = 0;
        const source = {
          async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
            asked++;
            yield new Uint8Array(1);
          },
        };
        const tooMuch = { bytes: opened.capacityBytes + 1, crc: 0 };
        expect(faultOf(await location.put(a, source, tooMuch))).toBe("no_space");
        expect(asked).toBe(0);
      });
    });

    describe("remove", () => {
      it("removes once, and has nothing to remove again", async () => {
        await put(a, patterned(100));
        expect(await location.remove(a)).toBe(true);
        expect(await location.remove(a)).toBe(false);
        expect(await location.stat(a)).toBeUndefined();
        await expect(readWhole(a, 1)).rejects.toMatchObject({ code: "not_found" });
      });

      it("leaves the other objects", async () => {
        await put(a, patterned(100));
        await put(b, patterned(200));
        await location.remove(a);
        expect(await readWhole(b, 200)).toEqual(patterned(200));
      });
    });

    describe("removeIf", () => {
      it("removes what is the object that is meant, once", async () => {
        const stat = await put(a, patterned(100));
        const isIt = (found: ObjectStat): boolean => isSameContent(found, stat);
        expect(await location.removeIf(a, isIt)).toBe("removed");
        expect(await location.removeIf(a, isIt)).toBe("absent");
        expect(await location.stat(a)).toBeUndefined();
      });

      it("keeps another object that took the name", async () => {
        const before = await put(a, patterned(100, 1));
        await location.remove(a);
        await put(a, patterned(100, 2));
        const removal = await location.removeIf(a, (found) => isSameContent(found, before));
        expect(removal).toBe("kept");
        expect(await readWhole(a, 100)).toEqual(patterned(100, 2));
      });
    });

    describe("sync", () => {
      it("answers with the object as it is now, and `not_found` where there is none", async () => {
        const stat = await put(a, patterned(100));
        expect(ok(await location.sync(a))).toEqual(stat);
        expect(faultOf(await location.sync(b))).toBe("not_found");
      });
    });

    describe("list", () => {
      const names = Array.from({ length: 25 }, (_, n) => `s-${n}` as ObjectName);

      it("has one empty page for an empty location", async () => {
        const page = ok(await location.list(undefined, 10));
        expect(page).toEqual({ objects: [], leftovers: [], foreign: [], next: undefined });
      });

      it("gives each object once, in pages of the limit, with its stat", async () => {
        for (const name of names) ok(await location.reserve(name, 10));
        const first = ok(await location.list(undefined, 7));
        expect(first.objects).toHaveLength(7);
        const stats = await Promise.all(first.objects.map(({ name }) => location.stat(name)));
        expect(first.objects.map(({ stat }) => stat)).toEqual(stats);
        expect((await listAll(location, 7)).names).toEqual(names.toSorted());
        expect((await listAll(location, 25)).names).toEqual(names.toSorted());
      });

      it("misses no object that stays while others are removed under the cursor", async () => {
        for (const name of names) ok(await location.reserve(name, 10));
        const seen: ObjectName[] = [];
        let cursor: string | undefined;
        do {
          const page = ok(await location.list(cursor, 4));
          seen.push(...page.objects.map(({ name }) => name));
          for (const { name } of page.objects) await location.remove(name);
          cursor = page.next;
        } while (cursor !== undefined);
        expect(seen.toSorted()).toEqual(names.toSorted());
      });

      it("knows no leftover by a name that it has not given", async () => {
        expect(await location.discard("../../etc/passwd" as LeftoverId)).toBe(false);
      });
    });

    describe("uri", () => {
      it("leads back to its name, and differs for each", () => {
        expect(location.nameOf(location.uri(a))).toBe(a);
        expect(location.nameOf(location.uri(b))).toBe(b);
        expect(location.uri(a)).not.toBe(location.uri(b));
      });

      it.each([
        ["a folder up", (uri: string) => uri.replace(/a$/, "../a")],
        ["a folder up, escaped", (uri: string) => uri.replace(/a$/, "%2e%2e/a")],
        ["an escaped letter", (uri: string) => uri.replace(/a$/, "%61")],
        ["a slash more", (uri: string) => uri.replace(/a$/, "/a")],
        ["a slash at the end", (uri: string) => `${uri}/`],
        ["a query", (uri: string) => `${uri}?x`],
        ["a NUL", (uri: string) => `${uri}\0`],
        ["a line break", (uri: string) => `${uri}\n`],
        ["another scheme", (uri: string) => uri.replace(/^\w+/, "gopher")],
        ["nothing before the name", () => "a"],
        ["nothing at all", () => ""],
      ])("takes no URI that has %s", (_, tamper) => {
        expect(location.nameOf(tamper(location.uri(a)))).toBeUndefined();
      });
    });

    it("knows how much is free", async () => {
      expect(ok(await location.freeBytes())).toBeGreaterThan(0);
    });

    it("says whether objects can grow", () => {
      expect(location.extend !== undefined).toBe(canExtend);
    });

    if (canExtend) describeExtend(() => location);
  });
}

/** For locations whose objects grow: a session's reservations follow one another in one object, and are filled in any order. */
function describeExtend(current: () => Location): void {
  describe("extend", () => {
    const extend = async (from: number, to: number): Promise<ObjectStat | LocationFault> =>
      (await current().extend?.(a, from, to)) ?? new LocationFault("io", "cannot extend");

    it("grows an object from its size on, and keeps its bytes", async () => {
      const bytes = patterned(1_000);
      const before = ok(await current().put(a, lent(bytes), expectationOf(bytes)));
      const after = ok(await extend(1_000, 5_000));
      expect(after).toMatchObject({ sizeBytes: 5_000, identity: before.identity });
      const read = await collect(current().read(a, [{ offset: 0, length: 5_000 }]));
      expect(read).toEqual(Buffer.concat([bytes, Buffer.alloc(4_000)]));
    });

    it("changes nothing from another size than it has, nor downwards", async () => {
      ok(await current().reserve(a, 1_000));
      for (const [from, to] of [
        [999, 2_000],
        [1_001, 2_000],
        [1_000, 999],
      ] as const) {
        expect(faultOf(await extend(from, to))).toBe("mismatch");
      }
      expect(ok(await current().stat(a))?.sizeBytes).toBe(1_000);
    });

    it("makes no object", async () => {
      expect(faultOf(await extend(0, 10))).toBe("not_found");
      expect(await current().stat(a)).toBeUndefined();
    });

    it("leaves what is around a write in the middle as it was", async () => {
      ok(await current().reserve(a, 1_000));
      ok(await extend(1_000, 3_000));
      const bytes = patterned(500);
      const write = { name: a, offset: 1_250, source: lent(bytes), expect: expectationOf(bytes) };
      ok(await current().writeAt(write));
      const read = await collect(current().read(a, [{ offset: 0, length: 3_000 }]));
      expect(read).toEqual(Buffer.concat([Buffer.alloc(1_250), bytes, Buffer.alloc(1_250)]));
    });
  });
}
