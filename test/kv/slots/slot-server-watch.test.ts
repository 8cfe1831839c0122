import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { snapshotGeometryKey } from "../../../src/kv/model/snapshot-geometry.ts";
import { createDigests } from "../../../src/digests.ts";
import { SlotFault, type SlotServer } from "../../../src/kv/slots/slot-server.ts";
import type { SlotServerWatch } from "../../../src/kv/slots/slot-server-watch.ts";
import { type RecordedLlama, REQUESTS_PER_CONNECTION } from "../../support/recorded-llama.ts";
import { freshSlot, PROPS, REFUSALS, usedSlot } from "../../support/recorded-slots.ts";
import { nameOf, plainStaging, SlotWatching } from "../../support/slot-watching.ts";

const never = new AbortController().signal;
const FACTS = {
  expected: { slots: undefined, contextTokens: undefined },
  modelId: undefined,
  cacheTypeK: "q8_0",
  cacheTypeV: "f16",
} as const;

const SAID = { ftype: "(guessed) all F32", build: "b0-unknown" };

let watching: SlotWatching;
let llama: RecordedLlama;

beforeEach(async () => {
  watching = new SlotWatching();
  llama = await watching.serve();
});
afterEach(() => watching.close());

async function serverOf(watch: SlotServerWatch): Promise<SlotServer> {
  await watching.until(() => watch.state.kind === "ready");
  if (watch.state.kind !== "ready") throw new Error("it was ready");
  return watch.state.server;
}

/** Has so much time pass that it was asked several times. */
async function rounds(count: number): Promise<void> {
  const until = llama.asked.length + count;
  await watching.until(() => llama.asked.length >= until);
}

describe("a server", () => {
  it("is ready when it has said what it is, and everything else was found out", async () => {
    const watch = watching.watch(llama.target, { facts: FACTS });
    expect(nameOf(watch.state)).toBe("engine_unknown");
    const server = await serverOf(watch);

    expect(server).toMatchObject({ location: "disk", slots: 2, contextTokens: 4096 });
    const named = { ...FACTS, model: "sha256:00ff", ...SAID } as const;
    expect(server.geometry).toEqual(snapshotGeometryKey(named, createDigests()));
    expect(watching.told).toEqual([expect.stringMatching(/^engine_unknown -> instance-\d: $/)]);
    expect(llama.asked.slice(0, 5)).toEqual([
      "GET /props",
      "GET /slots",
      "GET /lora-adapters",
      "GET /slots",
      expect.stringContaining("POST /slots/0?action=save"),
    ]);
    expect(readdirSync(watching.folder)).toEqual([]);
  });

  it("does what is asked of a slot", async () => {
    const server = await serverOf(watching.watch(llama.target));
    llama.slots = [usedSlot(0), freshSlot(1)];

    expect(await server.look(never)).toMatchObject([{ task: 288, tokens: 6 }, { tokens: 0 }]);
    const name = "x.slot" as Parameters<SlotServer["save"]>[1];
    expect(await server.save(1, name, never)).toEqual({ tokens: 0, bytes: 36 });
    expect(await server.restore(0, name, never)).toEqual({ tokens: 6, bytes: 6392 });
    expect(await server.erase(0, never)).toBeUndefined();
  });

  it("is the same for as long as its process lives, however often that closes connections", async () => {
    const watch = watching.watch(llama.target);
    const server = await serverOf(watch);
    await rounds(3 * REQUESTS_PER_CONNECTION);

    expect(watch.state).toMatchObject({ kind: "ready" });
    expect(await serverOf(watch)).toBe(server);
    expect(watching.told).toHaveLength(1);
    expect(llama.connections).toBeGreaterThan(3);
  });

  it("is asked nothing that its loop must answer, once it is known", async () => {
    await serverOf(watching.watch(llama.target));
    llama.asked.length = 0;
    await rounds(25);

    expect(new Set(llama.asked)).toEqual(new Set(["GET /health", "GET /props"]));
  });

  it("is another one when its process is: what was known of the first is lost", async () => {
    const watch = watching.watch(llama.target);
    const first = await serverOf(watch);
    const { port } = llama.target;
    await llama.kill();
    await watching.until(() => watch.state.kind === "off");
    await watching.serve(port);
    const second = await serverOf(watch);

    expect(second).not.toBe(first);
    expect(second.instance).not.toBe(first.instance);
    expect(await first.look(never)).toBeInstanceOf(SlotFault);
    expect(await second.look(never)).toHaveLength(2);
    expect(watching.told[1]).toMatch(/^instance-\d -> engine_unknown: /);
  });

  it.each([
    ["its mark", { media_marker: "<__media_other__>" }],
    ["its model", { model_path: "/models/other.gguf" }],
    ["its weights", { model_ftype: "Q8_0" }],
    ["its context", { default_generation_settings: { n_ctx: 2048 } }],
    ["its build", { build_info: "b11550" }],
  ])("is another one when it says another thing of %s", async (_what, members) => {
    const watch = watching.watch(llama.target);
    const first = await serverOf(watch);
    llama.props = { ...PROPS, ...members };
    await watching.until(() => watch.state.kind === "ready" && watch.state.server !== first);

    expect(await first.look(never)).toBeInstanceOf(SlotFault);
  });
});

describe("a server is off", () => {
  it.each([
    ["has other slots", { total_slots: 3 }, "total_slots 3, not 2"],
    ["has less context", { default_generation_settings: { n_ctx: 512 } }, "n_ctx 512, not 4096"],
    ["has no slots", { total_slots: 0 }, "no total_slots from GET /props"],
    ["says nothing of its slots", { total_slots: undefined }, "no total_slots from GET /props"],
    ["says nothing of its context", { default_generation_settings: [] }, "no n_ctx from GET"],
  ])("where it %s", async (_claim, members, why) => {
    llama.props = { ...PROPS, ...members };
    const facts = { ...FACTS, expected: { slots: 2, contextTokens: 4096 } };
    const watch = watching.watch(llama.target, { facts });
    await watching.until(() => nameOf(watch.state) === "engine_mismatch");

    expect(watching.told.at(-1)).toContain(why);
    llama.props = PROPS;
    await serverOf(watch);
  });

  it.each([404, 501])("where it shows no slots: %s", async (status) => {
    llama.answers("GET /slots", { status, body: { error: REFUSALS.notFound } });
    const watch = watching.watch(llama.target);
    await watching.until(() => nameOf(watch.state) === "slots_off");

    expect(watching.told).toEqual([`engine_unknown -> slots_off: ${status} from GET /slots`]);
  });

  it("where it saves none, and is not asked again before it is another process", async () => {
    llama.saveFolder = undefined;
    const watch = watching.watch(llama.target);
    await watching.until(() => nameOf(watch.state) === "slots_off");
    await rounds(30);

    expect(llama.asked.filter((asked) => asked.startsWith("POST"))).toHaveLength(1);
  });

  it("where its slots are not as many as it says", async () => {
    llama.slots = [freshSlot(0)];
    const watch = watching.watch(llama.target);
    await watching.until(() => nameOf(watch.state) === "engine_mismatch");

    expect(watching.told.at(-1)).toContain("no 2 slots from GET /slots");
  });

  it("where it has an adapter, in force or not, but not where it has none, or knows of none", async () => {
    for (const scale of [0.5, 0]) {
      const adapted = await watching.serve();
      adapted.answers("GET /lora-adapters", { body: [{ id: 0, path: "a.gguf", scale }] });
      const watch = watching.watch(adapted.target);
      await watching.until(() => nameOf(watch.state) === "engine_mismatch");
      expect(watching.told.at(-1)).toContain("an adapter's");
      adapted.answers("GET /lora-adapters", { body: [] });
      await serverOf(watch);
    }

    const older = await watching.serve();
    older.answers("GET /lora-adapters", { status: 404, body: { error: REFUSALS.notFound } });
    await serverOf(watching.watch(older.target));
  });

  it("while it sleeps, and is another one when it is awake again", async () => {
    const watch = watching.watch(llama.target);
    const first = await serverOf(watch);
    llama.props = { ...PROPS, is_sleeping: true };
    await watching.until(() => nameOf(watch.state) === "engine_unknown");
    llama.asked.length = 0;
    await rounds(15);
    expect(new Set(llama.asked)).toEqual(new Set(["GET /health", "GET /props"]));
    llama.props = PROPS;

    expect((await serverOf(watch)).instance).not.toBe(first.instance);
  });

  it("while it loads its model, or nobody is there", async () => {
    llama.answers("GET /props", { status: 503, body: { error: REFUSALS.loading } });
    const watch = watching.watch(llama.target);
    await watching.until(() => watching.told.length === 1);

    expect(watching.told).toEqual(["unanswered: 503 from GET /props"]);
    llama.recovers("GET /props");
    await serverOf(watch);
  });

  it.each([
    ["GET /props", "nothing of the kind"],
    ["GET /props", []],
    ["GET /lora-adapters", {}],
  ])("where its answer to %s is none: %o", async (what, body) => {
    llama.answers(what, { body });
    const watch = watching.watch(llama.target);
    await watching.until(() => watching.told.length > 0);

    expect(watch.state.kind).toBe("off");
    llama.recovers(what);
    await serverOf(watch);
  });
});

describe("a model", () => {
  it("is unknown while its file is being read, and nothing is saved until then", async () => {
    const digest = Promise.withResolvers<string>();
    const models = { digest: () => digest.promise };
    const watch = watching.watch(llama.target, { models });
    await watching.until(() => llama.asked.length > 12);

    expect(nameOf(watch.state)).toBe("engine_unknown");
    expect(llama.asked.some((asked) => asked.startsWith("POST"))).toBe(false);
    digest.resolve("aa");
    await serverOf(watch);
  });

  it("is what the configuration calls it, where its file cannot be read", async () => {
    const models = { digest: () => Promise.resolve(undefined) };
    const facts = { ...FACTS, modelId: "m" };
    const server = await serverOf(watching.watch(llama.target, { models, facts }));

    const named = { ...FACTS, model: "id:m", ...SAID } as const;
    expect(server.geometry).toEqual(snapshotGeometryKey(named, createDigests()));
  });

  it("is unknown where it has neither, until its file can be read", async () => {
    let digest: string | undefined;
    const models = { digest: () => Promise.resolve(digest) };
    const watch = watching.watch(llama.target, { models });
    await watching.until(() => nameOf(watch.state) === "model_unknown");
    expect(watching.told).toEqual([
      "engine_unknown -> model_unknown: its model_path /models/tiny.gguf cannot be read",
    ]);
    digest = "aa";
    await serverOf(watch);
  });

  it.each([
    ["tiny.gguf", "its model_path tiny.gguf is relative: start it with the whole path"],
    [undefined, "it tells no model_path"],
  ])("is unknown where its path is %s, and the log says why", async (path, why) => {
    llama.props = { ...PROPS, model_path: path };
    const models = { digest: () => Promise.resolve(undefined) };
    const watch = watching.watch(llama.target, { models });
    await watching.until(() => nameOf(watch.state) === "model_unknown");
    expect(watching.told).toEqual([`engine_unknown -> model_unknown: ${why}`]);
  });

  it("of a process that has ended meanwhile is nobody's", async () => {
    const digest = Promise.withResolvers<string>();
    const watch = watching.watch(llama.target, { models: { digest: () => digest.promise } });
    await watching.until(() => llama.asked.length > 12);
    await llama.kill();
    digest.resolve("aa");
    await watching.until(() => watching.clock.pendingTimers === 1);

    expect(nameOf(watch.state)).toBe("engine_unknown");
    expect(llama.asked.some((asked) => asked.startsWith("POST"))).toBe(false);
  });
});

describe("where a server saves", () => {
  it("is unknown while all its slots are busy", async () => {
    llama.slots = [0, 1].map((id) => usedSlot(id, { is_processing: true }));
    const watch = watching.watch(llama.target);
    await watching.until(() => llama.asked.length > 10);
    expect(nameOf(watch.state)).toBe("engine_unknown");
    llama.slots = [usedSlot(0), usedSlot(1)];

    expect(await serverOf(watch)).toMatchObject({ location: "disk" });
  });

  it("is nowhere where no location has its folder, until one has", async () => {
    const stagings = new Map([["other", plainStaging(`${watching.folder}/other`)]]);
    const watch = watching.watch(llama.target, { stagings });
    await watching.until(() => nameOf(watch.state) === "no_staging");
    await rounds(30);
    expect(llama.asked.filter((asked) => asked.startsWith("POST"))).toHaveLength(1);
    stagings.set("disk", plainStaging(watching.folder));

    expect(await serverOf(watch)).toMatchObject({ location: "disk" });
  });
});

it("a watch that is closed asks nothing any more, and gives up what is under way", async () => {
  llama.answers("save", "hang");
  const watch = watching.watch(llama.target);
  await watching.until(() => llama.filesUnderWay === 1);
  await watch.close();
  await watch.close();

  expect(nameOf(watch.state)).toBe("engine_unknown");
  expect(watching.clock.pendingTimers).toBe(0);
});
