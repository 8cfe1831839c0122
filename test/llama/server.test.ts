/** What the dialect relies on in a real llama-server: another version of it must show the same before it is pinned. */
import { copyFile, link, mkdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { askLlama, FRESH } from "../../demo/llama/ask.ts";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { OTHER_MODEL, randomModelFile, TINY_MODEL } from "../../demo/llama/model.ts";
import { LlamaServer } from "../../demo/llama/server.ts";
import { actOnSlot, readSlots } from "../../demo/llama/slots.ts";
import { createFolder, removeFolder } from "../../demo/stack/folder.ts";
import { until } from "../support/until.ts";

const PROMPT = "A session is moored to the server where its cache lives. ".repeat(12);
const OTHER_PROMPT = "Another one speaks of stars and of night skies. ".repeat(12);
const LAST = "Ships, then. ".repeat(40);
const SLOTS = { slots: 2, contextTokens: 2048 };

let folder: string;
let saved: string;
let model: string;
let a: LlamaServer;
let b: LlamaServer;

beforeAll(async () => {
  model = await randomModelFile(TINY_MODEL);
});
beforeEach(async () => {
  folder = await createFolder("moorline-llama-");
  saved = join(folder, "saved");
  await mkdir(saved);
  [a, b] = ["a", "b"].map(
    (name) => new LlamaServer({ name, model, slotSavePath: saved, ...SLOTS }),
  ) as [LlamaServer, LlamaServer];
  await Promise.all([a.start(), b.start()]);
});
afterEach(async () => {
  await Promise.all([a, b].map(async (server) => server.close()));
  await removeFolder(folder);
});

async function ask(server: LlamaServer, prompt: string, fields: object = {}) {
  return askLlama({ url: server.url, prompt, fields: { id_slot: 0, ...fields } });
}

async function save(server: LlamaServer, slot: number, filename: string) {
  return actOnSlot(server.url, { slot, action: "save", filename });
}

async function restore(server: LlamaServer, slot: number, filename: string) {
  return actOnSlot(server.url, { slot, action: "restore", filename });
}

describe("a slot that was saved", () => {
  it("is restored by another process, into any slot, and goes on as if all was computed there", async () => {
    const first = await ask(a, PROMPT);
    const { body: file } = await save(a, 0, "first.slot");
    const tokens = first.cachedTokens + first.computedTokens + 24 - 1;
    const { size } = await stat(join(saved, "first.slot"));
    expect(file).toMatchObject({ n_saved: tokens, n_written: size });
    await a.kill();

    expect((await restore(b, 1, "first.slot")).body).toMatchObject({
      n_restored: tokens,
      n_read: size,
    });
    const prompt = `${PROMPT}${first.text} And then?`;
    const warm = await ask(b, prompt, { id_slot: 1 });
    expect(warm).toMatchObject({ slot: 1, cachedTokens: tokens });
    const cold = await ask(b, prompt, FRESH);
    expect(cold).toMatchObject({ slot: 0, cachedTokens: 0, text: warm.text });
  });

  it("is written into the file of that name as it is, whatever other names it has", async () => {
    await ask(a, PROMPT);
    await save(a, 0, "one.slot");
    await link(join(saved, "one.slot"), join(folder, "durable"));
    const before = await readFile(join(folder, "durable"));
    await ask(a, OTHER_PROMPT);
    await save(a, 0, "one.slot");
    expect(before.equals(await readFile(join(folder, "durable")))).toBe(false);
  });

  it.each([
    ["a byte of it changed", async (path: string) => flipByte(path)],
    ["other weights", async () => b.kill().then(async () => b.start({ model: await other() }))],
  ])("is restored without a word with %s", async (_claim, change) => {
    await ask(a, PROMPT);
    await save(a, 0, "one.slot");
    await change(join(saved, "one.slot"));
    expect((await restore(b, 0, "one.slot")).status).toBe(200);
  });

  it("ends the process that restores it without its last byte", async () => {
    await ask(a, PROMPT);
    await save(a, 0, "one.slot");
    await copyFile(join(saved, "one.slot"), join(saved, "cut.slot"));
    await truncate(join(saved, "cut.slot"), (await stat(join(saved, "one.slot"))).size - 1);
    await expect(restore(b, 0, "cut.slot")).rejects.toThrow();
    await until(() => !b.isRunning);
    await b.start();
    expect(await readSlots(b.url)).toHaveLength(2);
  });
});

async function other(): Promise<string> {
  return randomModelFile(OTHER_MODEL);
}

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe("slots", () => {
  it("are counted from the start again beyond the last one", async () => {
    expect(await ask(a, PROMPT, { id_slot: 7 })).toMatchObject({ slot: 1 });
  });

  it("tell a request that ran in them by another task, and a restored file by its tokens alone", async () => {
    expect(await readSlots(a.url)).not.toContainEqual(expect.objectContaining({ id_task: 0 }));
    await ask(a, PROMPT);
    const [used, unused] = await readSlots(a.url);
    expect(used).toMatchObject({ is_processing: false, n_prompt_tokens: expect.any(Number) });
    expect(unused?.id_task).toBeUndefined();
    await save(a, 0, "one.slot");
    await actOnSlot(a.url, { slot: 0, action: "erase" });
    expect((await readSlots(a.url))[0]).toMatchObject({
      id_task: used?.id_task,
      n_prompt_tokens: 0,
    });
    await restore(a, 0, "one.slot");
    expect((await readSlots(a.url))[0]).toMatchObject({
      id_task: used?.id_task,
      n_prompt_tokens: used?.n_prompt_tokens,
    });
    await ask(a, OTHER_PROMPT);
    expect((await readSlots(a.url))[0]?.id_task).not.toBe(used?.id_task);
  });

  it("keep what is in them while another one is used", async () => {
    await ask(a, PROMPT);
    await ask(a, OTHER_PROMPT, { id_slot: 1 });
    const again = await ask(a, PROMPT);
    expect(again.computedTokens).toBe(1);
  });

  it("are empty after a restore that failed, and say 400 of what is no file of theirs", async () => {
    await ask(a, PROMPT);
    await writeFile(join(saved, "garbage.slot"), Buffer.alloc(5000, 0xff));
    expect((await restore(a, 0, "garbage.slot")).status).toBe(400);
    expect((await restore(a, 0, "none.slot")).status).toBe(400);
    expect((await restore(a, 0, "../one.slot")).status).toBe(400);
    expect((await ask(a, PROMPT)).cachedTokens).toBe(0);
  });
});

describe("a server with --cache-reuse", () => {
  it("moves KV to where it was not computed, unless the request says that it must not", async () => {
    await a.kill();
    await a.start({ cacheReuse: 16 });
    const [prompt, edited] = [`${PROMPT}${OTHER_PROMPT}${LAST}`, `${PROMPT}${LAST}`];
    const { text: right } = await ask(b, edited);
    await ask(a, prompt);
    expect((await ask(a, edited)).cachedTokens).toBeGreaterThan(PROMPT.length + 1);

    await ask(a, prompt, { n_cache_reuse: 0 });
    const held = await ask(a, edited, { n_cache_reuse: 0 });
    expect(held).toMatchObject({ cachedTokens: PROMPT.length + 1, text: right });
  });
});

describe("a server that guesses tokens ahead", () => {
  it("says so of its slots, and goes on from a restored one only where it was empty before", async () => {
    const first = await ask(b, PROMPT);
    await save(b, 0, "one.slot");
    const prompt = `${PROMPT}${first.text} And then?`;
    const { text: right } = await ask(b, prompt);
    await a.kill();
    await a.start({ draftModel: model });
    expect(await readSlots(a.url)).toMatchObject([{ speculative: true }, { speculative: true }]);
    expect(await readSlots(b.url)).toMatchObject([{ speculative: false }, { speculative: false }]);

    await ask(a, "A short one.");
    await restore(a, 0, "one.slot");
    await expect(ask(a, prompt)).rejects.toThrow();
    await actOnSlot(a.url, { slot: 0, action: "erase" });
    await restore(a, 0, "one.slot");
    const warm = await ask(a, prompt);
    expect(warm.cachedTokens).toBeGreaterThan(PROMPT.length);
    expect(warm.text).toBe(right);
  });
});

describe("a server without a folder to save in", () => {
  let plain: LlamaServer;
  beforeEach(async () => {
    plain = new LlamaServer({ name: "plain", model, ...SLOTS });
    await plain.start();
  });
  afterEach(() => plain.close());

  it("answers 501 to a save, and still lists its slots", async () => {
    await ask(plain, PROMPT);
    expect((await save(plain, 0, "one.slot")).status).toBe(501);
    expect(await readSlots(plain.url)).toHaveLength(2);
  });
});
