import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SegmentWriter } from "../../../../demo/engine/segments/writer.ts";
import type { SegmentBytes } from "../../../../demo/engine/segments/writer.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "moorline-writer-"));
});
afterEach(async () => rm(root, { recursive: true }));

class Died extends Error {}

function openWriter(): SegmentWriter {
  return new SegmentWriter({
    root,
    die: () => {
      throw new Died();
    },
  });
}

const segment = (uri: string, startBytes: number, text: string): SegmentBytes => ({
  uri,
  startBytes,
  bytes: Buffer.from(text),
  extentBytes: 4,
});

const read = async (name: string) => readFile(join(root, name), "latin1");

describe("a writer of segments", () => {
  it("writes in place, into files that are there", async () => {
    await writeFile(join(root, "s"), "................");
    const writer = openWriter();
    writer.add({ segments: [segment("file:///s", 4, "abcdefgh")] });
    await writer.idle();
    expect(await read("s")).toBe("....abcdefgh....");
  });

  it("makes no file, counts that, and goes on with what comes after", async () => {
    await writeFile(join(root, "s"), "");
    const writer = openWriter();
    writer.add({ segments: [segment("file:///missing", 0, "abcd")] });
    writer.add({ segments: [segment("file:///s", 0, "efgh")] });
    expect(writer.pending).toBe(2);
    await writer.idle();
    expect([writer.failed, writer.pending]).toEqual([1, 0]);
    await expect(read("missing")).rejects.toThrow("ENOENT");
    expect(await read("s")).toBe("efgh");
  });

  it.each(["file:///../outside", "file://../outside", "gd2fs://s", "http://127.0.0.1/s"])(
    "writes nothing for %s",
    async (uri) => {
      await writeFile(join(root, "..", "outside"), "safe");
      const writer = openWriter();
      writer.add({ segments: [segment(uri, 0, "abcd")] });
      await writer.idle();
      expect(writer.failed).toBe(1);
      expect(await read("../outside")).toBe("safe");
    },
  );

  it.each([
    [0, "................"],
    [1, "ab.............."],
    [2, "abcd............"],
    [3, "abcdef.........."],
    [4, "abcdefgh........"],
    [5, "abcdefgh..ij...."],
    [6, "abcdefgh..ijkl.."],
    [7, "abcdefgh..ijklmn"],
  ])("ends the process after %i eighths of a write", async (eighths, left) => {
    await writeFile(join(root, "s"), "................");
    const writer = openWriter();
    writer.behaviour = { writeDelayMs: 0, stallMs: 0, death: { write: 2, eighths } };
    writer.add({ segments: [segment("file:///s", 0, "")] });
    writer.add({
      segments: [segment("file:///s", 0, "abcdefgh"), segment("file:///s", 10, "ijklmnop")],
    });
    await writer.idle();
    expect(await read("s")).toBe(left);
    expect(writer.failed).toBe(1);
  });

  it("ends the process after all of a write too", async () => {
    await writeFile(join(root, "s"), "");
    const writer = openWriter();
    writer.behaviour = { writeDelayMs: 0, stallMs: 0, death: { write: 1, eighths: 8 } };
    writer.add({ segments: [segment("file:///s", 0, "abcdefgh")] });
    await writer.idle();
    expect([await read("s"), writer.failed]).toEqual(["abcdefgh", 1]);
  });
});
