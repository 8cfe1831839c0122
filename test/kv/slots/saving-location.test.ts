import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LocationFault } from "../../../src/kv/location.ts";
import type { DirectoryLocation } from "../../../src/kv/locations/directory.ts";
import { LocationProbe } from "../../../src/kv/slots/saving-location.ts";
import { SlotCalls } from "../../../src/kv/slots/slot-calls.ts";
import type { StagedName, Staging } from "../../../src/kv/staging.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordedLlama } from "../../support/recorded-llama.ts";
import { freshSlot, REFUSALS, usedSlot } from "../../support/recorded-slots.ts";
import { createRoot, openAt } from "../locations/roots.ts";

const never = new AbortController().signal;

let llama: RecordedLlama;
let roots: Awaited<ReturnType<typeof createRoot>>[];
let a: DirectoryLocation;
let b: DirectoryLocation;
let calls: SlotCalls;

beforeEach(async () => {
  llama = await RecordedLlama.start();
  roots = [await createRoot(), await createRoot()];
  [a, b] = (await Promise.all(roots.map(({ path }) => openAt(path)))) as [
    DirectoryLocation,
    DirectoryLocation,
  ];
  calls = new SlotCalls({ target: llama.target, slots: 2, scheduler: new FakeClock() });
});
afterEach(async () => {
  calls.close();
  await llama.kill();
  await Promise.all([a.close(), b.close()]);
  await Promise.all(roots.map(({ remove }) => remove()));
});

type Probed = Pick<Staging, "examine" | "assess" | "remove">;

function probe(stagings: readonly (readonly [string, Probed])[] = inBoth()): LocationProbe {
  let names = 0;
  return new LocationProbe({
    calls,
    stagings: new Map(stagings),
    newStagedName: () => `probe-${++names}.slot` as StagedName,
  });
}

function inBoth() {
  return [
    ["a", a.staging],
    ["b", b.staging],
  ] as const;
}

describe("the location in which a server saves", () => {
  it("is the one in whose staging folder it appears, which is empty again then", async () => {
    llama.saveFolder = b.staging.path;

    expect(await probe().find(never)).toEqual({ kind: "at", location: "b" });
    expect(llama.asked).toEqual([
      "GET /slots",
      'POST /slots/0?action=save {"filename":"probe-1.slot"}',
    ]);
    expect(await readdir(b.staging.path)).toEqual([]);
  });

  it("is found by the emptiest slot that is idle", async () => {
    llama.saveFolder = a.staging.path;
    llama.slots = [usedSlot(0, { n_prompt_tokens: 9 }), usedSlot(1, { n_prompt_tokens: 3 })];
    await probe().find(never);
    llama.slots = [usedSlot(0), { ...freshSlot(1), is_processing: true }];
    await probe().find(never);

    expect(llama.asked.filter((asked) => asked.includes("save"))).toEqual([
      expect.stringContaining("/slots/1?"),
      expect.stringContaining("/slots/0?"),
    ]);
  });

  it("is not known while every slot is busy, and nothing is saved then", async () => {
    llama.saveFolder = a.staging.path;
    const busy = { is_processing: true };
    llama.slots = [usedSlot(0, busy), usedSlot(1, busy)];
    const busyProbe = probe();

    expect(await busyProbe.find(never)).toMatchObject({ kind: "unknown" });
    llama.slots = [usedSlot(0, busy), usedSlot(1)];
    expect(await busyProbe.find(never)).toEqual({ kind: "at", location: "a" });
  });

  it.each(["GET /slots", "save"])("is not known where the answer to %s is lost", async (what) => {
    llama.saveFolder = a.staging.path;
    llama.answers(what, "hang up");

    expect(await probe().find(never)).toMatchObject({ kind: "unknown" });
  });

  it("is none where what is saved there cannot be kept, until what is saved next can", async () => {
    llama.saveFolder = a.staging.path;
    const faults = [new LocationFault("io", "staging of location a: io (EXDEV of link)")];
    const { staging } = a;
    const elsewhere = probe([
      [
        "a",
        {
          examine: (name) => staging.examine(name),
          assess: async (name) => faults.pop() ?? staging.assess(name),
          remove: (name) => staging.remove(name),
        },
      ],
    ]);

    expect(await elsewhere.find(never)).toEqual({
      kind: "nowhere",
      why: "what it saves in a cannot be kept: staging of location a: io (EXDEV of link)",
    });
    expect(await readdir(staging.path)).toEqual([]);
    expect(await elsewhere.find(never)).toEqual({ kind: "at", location: "a" });
  });

  it("is none where the server saves elsewhere: it is asked once, and looked for again", async () => {
    llama.saveFolder = await mkdtemp(join(tmpdir(), "moorline-elsewhere-"));
    const elsewhere = probe();

    expect(await elsewhere.find(never)).toMatchObject({
      kind: "nowhere",
      why: expect.stringContaining("a, b"),
    });
    expect(await elsewhere.find(never)).toMatchObject({
      kind: "nowhere",
      why: expect.stringContaining("a, b"),
    });
    await writeFile(join(a.staging.path, "probe-1.slot"), "as if the folder were there again");
    expect(await elsewhere.find(never)).toEqual({ kind: "at", location: "a" });
    expect(llama.asked.filter((asked) => asked.includes("save"))).toHaveLength(1);
    await rm(llama.saveFolder, { recursive: true });
  });

  it("is none where what was saved cannot be read, and says why", async () => {
    llama.saveFolder = a.staging.path;
    const unreadable: Probed = {
      examine: () => Promise.resolve(new LocationFault("io", "EACCES")),
      assess: () => Promise.resolve(undefined),
      remove: () => Promise.resolve(false),
    };

    expect(await probe([["a", unreadable]]).find(never)).toEqual({
      kind: "nowhere",
      why: "a: EACCES",
    });
  });

  it("is none where the server cannot save, and it is asked again", async () => {
    llama.answers("save", { status: 500, body: { error: REFUSALS.noFolder } });
    const broken = probe();
    const why = expect.stringContaining("500 from POST /slots/0?action=save: Unable to save slot");

    expect(await broken.find(never)).toEqual({ kind: "nowhere", why });
    llama.recovers("save");
    llama.saveFolder = a.staging.path;
    expect(await broken.find(never)).toEqual({ kind: "at", location: "a" });
  });

  it.each([
    [501, REFUSALS.noSavePath],
    [404, REFUSALS.notFound],
  ])("is nobody's concern where it saves no slots: %s", async (status, error) => {
    llama.answers("save", { status, body: { error } });

    expect(await probe().find(never)).toMatchObject({ kind: "slots_off" });
  });
});
