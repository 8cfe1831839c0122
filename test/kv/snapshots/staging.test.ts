import { mkdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import * as nodeFs from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";

import type { FileSystem } from "../../../src/kv/locations/directory-folder.ts";
import { copiesOf } from "../../../src/kv/copies.ts";
import type { Segment } from "../../../src/kv/records.ts";
import type { StagedName } from "../../../src/kv/staging.ts";
import { SnapshotBench, type SnapshotBenchOptions } from "../../support/kv/snapshot-bench.ts";
import { until } from "../../support/until.ts";

const STORY = "A slot was saved here, and is restored there. ".repeat(20);

let bench: SnapshotBench;
afterEach(async () => expect(await bench.close()).toEqual([]));

async function open(options: SnapshotBenchOptions = {}): Promise<void> {
  bench = await SnapshotBench.open(options);
  await bench.create("s");
}

const inAMinute = () => ({ untilMs: bench.clock.now() + 60_000 });

/** Both copies of what was saved at `a`. */
async function keptAtBoth(): Promise<Segment> {
  const { id } = await bench.kept("s", STORY);
  await bench.found("s", STORY, { at: "b", hold: inAMinute() });
  const segment = await bench.catalog.segment(id);
  if (segment === undefined) throw new Error("the segment has gone");
  return segment;
}

async function flipByte(path: string): Promise<void> {
  const bytes = await nodeFs.readFile(path);
  bytes[5_000] = (bytes[5_000] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe("a damaged snapshot", () => {
  it.each([
    ["a flipped byte", flipByte],
    ["a missing end", (path: string) => truncate(path, 1_000)],
    ["a missing file", (path: string) => rm(path)],
    ["a link", (path: string) => rename(path, `${path}2`).then(() => symlink(`${path}2`, path))],
  ])("is never restored, and forgotten: %s", async (_, damage) => {
    await open();
    const segment = await bench.kept("s", STORY);
    const found = await bench.found("s", STORY);
    await damage(bench.pathOf(segment));
    expect(await bench.desk.stage(found, "a")).toBe("damaged");
    expect(await bench.staged()).toEqual([]);
    expect(bench.reads).toEqual([]);
    expect(await bench.find("s", STORY)).toBe("nothing_stored");
  });

  it("is restored from its other copy, which is brought in its place while the turn may be held", async () => {
    await open({ sites: ["a", "b"] });
    const segment = await keptAtBoth();
    const found = await bench.found("s", STORY, { hold: inAMinute() });
    await flipByte(bench.pathOf(segment));
    expect((await bench.restore(found)).equals(bench.bytesOf(STORY.length))).toBe(true);
    const now = await bench.catalog.segment(segment.id);
    expect(now && copiesOf(now).map(({ location }) => location)).toEqual(["b", "a"]);
    expect(bench.reads.map(({ file }) => file.name)).not.toContain(segment.file.name);
    expect(
      (await bench.catalog.file(bench.reads[0]?.file as never))?.leasedUntilMs,
    ).toBeGreaterThan(bench.clock.now());
  });

  it("whose other copy is damaged too is forgotten by who reads that", async () => {
    await open({ sites: ["a", "b"] });
    const segment = await keptAtBoth();
    const found = await bench.found("s", STORY, { hold: inAMinute() });
    await flipByte(bench.pathOf(segment));
    const [replica] = segment.replicas;
    if (replica === undefined) throw new Error("there is no replica");
    await flipByte(bench.pathOf({ ...segment, file: replica }));
    expect(await bench.desk.stage(found, "a")).toBe("damaged");
    expect(await bench.staged()).toEqual([]);
  });
});

describe("what cannot be staged for another reason", () => {
  it("is kept: the staging folder is a link", async () => {
    await open();
    const { id } = await bench.kept("s", STORY);
    const found = await bench.found("s", STORY);
    const { path } = bench.location().staging;
    await rm(path, { recursive: true });
    await symlink(bench.root, path);
    expect(await bench.desk.stage(found, "a")).toBe("unreadable");
    await rm(path);
    await mkdir(path);
    expect((await bench.found("s", STORY)).segment.id).toBe(id);
  });

  it("is kept: the disk cannot be read", async () => {
    let isBroken = false;
    const open_: FileSystem["open"] = async (...args) => {
      if (isBroken) throw Object.assign(new Error("EIO"), { code: "EIO", syscall: "open" });
      return nodeFs.open(...args);
    };
    await open({ fs: { ...nodeFs, open: open_ } });
    const { id } = await bench.kept("s", STORY);
    const found = await bench.found("s", STORY);
    isBroken = true;
    expect(await bench.desk.stage(found, "a")).toBe("unreadable");
    isBroken = false;
    expect((await bench.found("s", STORY)).segment.id).toBe(id);
  });

  it("is not looked for at a location that is not there", async () => {
    await open();
    await bench.kept("s", STORY);
    expect(await bench.desk.stage(await bench.found("s", STORY), "z")).toBe("unreadable");
  });
});

describe("what lies elsewhere", () => {
  it("is brought for a turn that may be held, and found where it was brought", async () => {
    await open({ sites: ["a", "b"] });
    const { id } = await bench.kept("s", STORY);
    const found = await bench.found("s", STORY, { at: "b", hold: inAMinute() });
    expect(found.segment).toMatchObject({ id, file: { location: "b" } });
    expect((await bench.restore(found, "b")).equals(bench.bytesOf(STORY.length))).toBe(true);
    expect(bench.seen).toContain("held near 0");
  });

  it("is brought for the next turn where this one does not wait", async () => {
    await open({ sites: ["a", "b"] });
    await bench.kept("s", STORY);
    expect(await bench.find("s", STORY, { at: "b" })).toBe("location_unknown");
    await until(() => bench.seen.includes("brought disk disk copied"));
    expect((await bench.found("s", STORY, { at: "b" })).segment.file.location).toBe("b");
  });

  it("is not waited for where computing is as fast, and less that is there is taken", async () => {
    await open({ sites: ["a", "b"] });
    await bench.create("u");
    const less = await bench.kept("u", STORY.slice(0, 512), { at: "b" });
    await bench.kept("s", STORY);
    const hold = { ...inAMinute(), turnMs: () => 10 };
    const found = await bench.found("s", STORY, { at: "b", hold });
    expect(found.segment.id).toBe(less.id);
    expect(bench.seen.filter((line) => line.startsWith("held"))).toEqual(["held opened_early 0"]);
    await until(() => bench.seen.includes("brought disk disk copied"));
  });

  it("is weighed by what the prompt has of it, against what it has of what is there", async () => {
    await open({ sites: ["a", "b"] });
    await bench.create("u");
    await bench.kept("u", STORY.slice(0, 256), { at: "b", tokens: 100 });
    await bench.kept("s", STORY, { tokens: 300 });
    const weighed: number[] = [];
    const turnMs = (storedTokens: number) => {
      weighed.push(storedTokens);
      return 10;
    };
    const text = `${STORY.slice(0, 512)}${"x".repeat(600)}`;
    await bench.found("s", text, { at: "b", hold: { ...inAMinute(), turnMs } });
    expect(weighed).toEqual([100, Math.floor((300 * 512) / STORY.length)]);
  });

  it("is not brought where as much is there", async () => {
    await open({ sites: ["a", "b"] });
    await bench.create("u");
    const equal = await bench.kept("u", STORY, { at: "b" });
    await bench.kept("s", STORY);
    const found = await bench.found("s", STORY, { at: "b", hold: inAMinute() });
    expect(found.segment.id).toBe(equal.id);
    expect(bench.seen).toEqual([]);
  });

  it("is left there where the client has gone", async () => {
    await open({ sites: ["a", "b"] });
    await bench.kept("s", STORY);
    const hold = { ...inAMinute(), signal: AbortSignal.abort() };
    expect(await bench.find("s", STORY, { at: "b", hold })).toBe("client_gone");
  });
});

describe("a staged name", () => {
  it("is never given twice, and gone once it is unstaged, however often", async () => {
    await open();
    await bench.kept("s", STORY);
    const found = await bench.found("s", STORY);
    const names = await Promise.all([1, 2, 3].map(() => bench.desk.stage(found, "a")));
    expect((await bench.staged()).toSorted()).toEqual(names.toSorted());
    expect(new Set(names).size).toBe(3);
    for (const name of [...names, ...names]) await bench.desk.unstage("a", name as StagedName);
    await bench.desk.unstage("z", "never.slot" as StagedName);
    expect(await bench.staged()).toEqual([]);
  });

  it("is unstaged without an error when the desk is closed, and left to the sweep", async () => {
    await open();
    await bench.kept("s", STORY);
    const name = await bench.desk.stage(await bench.found("s", STORY), "a");
    await bench.desk.close();
    await bench.desk.unstage("a", name as StagedName);
    expect(await bench.staged()).toEqual([name]);
  });
});
