/** What goes wrong with real servers and files: every turn is answered as a fresh server answers it, and why nothing was reused is told. */
import { open, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { askLlama } from "../../demo/llama/ask.ts";
import type { FreshServer } from "../../demo/llama/fresh.ts";
import {
  LARGER_MODEL,
  LARGER_TOKEN_BYTES,
  OTHER_MODEL,
  randomModelFile,
} from "../../demo/llama/model.ts";
import { actOnSlot } from "../../demo/llama/slots.ts";
import type { LlamaStage } from "../../demo/llama/stage.ts";
import { atNextStagedFile } from "../../demo/llama/staged-file.ts";
import {
  askSavedTurn,
  askTurn,
  DOCUMENT,
  next,
  promptTokens,
  startFresh,
  startTinyStage,
  type Turn,
} from "../support/llama.ts";
import { metric } from "../support/moorline-view.ts";
import { until } from "../support/until.ts";

let stage: LlamaStage;
let fresh: FreshServer;

beforeEach(async () => {
  [stage, fresh] = await Promise.all([startTinyStage(), startFresh()]);
});
afterEach(async () => {
  await Promise.all([stage.close(), fresh.close()]);
});

async function expectFresh({ prompt, answer }: Turn, from = fresh) {
  const found = await from.compare(prompt, answer.text);
  expect(found).toEqual({ isSame: true, excused: expect.any(Number), expected: "" });
}

/** Turns that had to compute everything, for that reason. */
async function freshSeats(why: string, of = stage) {
  const series = `moorline_kv_slot_seats_total{pool="default",from="fresh",why="${why}"}`;
  return metric(of.moorline, series);
}

/** What is in every slot is lost, and the servers live on. */
async function eraseSlots() {
  for (const { url } of stage.servers) {
    for (const slot of [0, 1]) await actOnSlot(url, { slot, action: "erase" });
  }
}

async function flipByte(path: string) {
  const at = Math.floor((await stat(path)).size / 2);
  const file = await open(path, "r+");
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  buffer[0] = (buffer[0] ?? 0) ^ 0x40;
  await file.write(buffer, 0, 1, at);
  await file.close();
}

describe("a stored file", () => {
  it.each([
    ["with a changed byte", flipByte],
    ["without its last byte", async (path: string) => truncate(path, (await stat(path)).size - 1)],
  ])("%s is not restored, and no server ends for it [S3]", async (_claim, damage) => {
    const first = await askSavedTurn(stage, "talk", DOCUMENT);
    const files = await stage.storedFiles();
    expect(files).toHaveLength(1);
    await Promise.all(files.map(damage));
    await eraseSlots();
    const second = await askTurn(stage, "talk", next(first));
    expect(second.answer.kvStatus).toMatch(/^reused=0 slot=\d from=fresh why=damaged$/);
    expect(await freshSeats("damaged")).toBe(1);
    expect(second.answer.cachedTokens).toBe(0);
    expect(stage.servers.every(({ isRunning }) => isRunning)).toBe(true);
    await expectFresh(second);
    // What was computed is saved again, and serves the next turn.
    await stage.saved("talk", promptTokens(second.answer));
    await eraseSlots();
    const third = await askTurn(stage, "talk", next(second));
    expect(third.answer.kvStatus).toContain("from=restored");
    await expectFresh(third);
  });
});

describe("a server", () => {
  it("that refuses what it should restore computes everything [S3]", async () => {
    const first = await askSavedTurn(stage, "talk", DOCUMENT);
    await Promise.all(stage.servers.map(async (server) => server.kill()));
    await Promise.all(stage.servers.map(async (server) => stage.seenDown(server)));
    // Against what the configuration says, and nothing tells it.
    await Promise.all(stage.servers.map(async (server) => server.start({ cacheTypeK: "f32" })));
    await stage.known(2);
    const second = await askTurn(stage, "talk", next(first));
    expect(second.answer.kvStatus).toMatch(/^reused=0 slot=\d from=fresh why=restore_failed$/);
    expect(await freshSeats("restore_failed")).toBe(1);
    const refused = 'moorline_kv_slot_restores_total{pool="default",result="refused"}';
    expect(await metric(stage.moorline, refused)).toBe(1);
    expect(second.answer.cachedTokens).toBe(0);
  });

  it("that was restarted with another model gets nothing of the one before, which loses nothing [S3]", async () => {
    const first = await askSavedTurn(stage, "talk", DOCUMENT);
    const other = await randomModelFile(OTHER_MODEL);
    const freshOther = await startFresh(other);
    onTestFinished(() => freshOther.close());
    await restartAll({ model: other });
    const second = await askTurn(stage, "talk", next(first));
    expect(second.answer.kvStatus).toMatch(/^reused=0 slot=\d from=fresh why=nothing_stored$/);
    await expectFresh(second, freshOther);
    await stage.saved("talk", promptTokens(second.answer));
    await restartAll({});
    const third = await askTurn(stage, "talk", next(first));
    expect(third.answer.kvStatus).toContain("from=restored");
    await expectFresh(third);
  });

  it("without a folder to save in gets turns without a slot of theirs [S3]", async () => {
    await Promise.all(stage.servers.map(async (server) => server.kill()));
    await Promise.all(stage.servers.map(async (server) => stage.seenDown(server)));
    await Promise.all(stage.servers.map(async (server) => server.start({ slotSavePath: "" })));
    const off = 'moorline_kv_engines{pool="default",state="slots_off"}';
    await until(async () => (await metric(stage.moorline, off)) === 2);
    const turn = await askTurn(stage, "talk", DOCUMENT);
    expect(turn.answer.kvStatus).toBe("slots_off");
    const passed = 'moorline_kv_turns_total{pool="default",plan="slots_off"}';
    expect(await metric(stage.moorline, passed)).toBe(1);
    await expectFresh(turn);
  });
});

async function restartAll(changed: { readonly model?: string }) {
  await Promise.all(stage.servers.map(async (server) => server.kill()));
  await Promise.all(stage.servers.map(async (server) => stage.seenDown(server)));
  await Promise.all(stage.servers.map(async (server) => server.start(changed)));
  await stage.known(2);
}

describe("a slot", () => {
  it("that a client took who bypasses Moorline is not taken for the session's [S3]", async () => {
    const first = await askSavedTurn(stage, "talk", DOCUMENT);
    const { url } = await stage.homeOf("talk");
    const prompt = `Somebody else. ${DOCUMENT}`;
    for (const id_slot of [0, 1]) await askLlama({ url, prompt, fields: { id_slot } });
    const second = await askTurn(stage, "talk", next(first));
    const displaced = 'moorline_kv_slot_displaced_total{pool="default",by="stranger"}';
    expect(await metric(stage.moorline, displaced)).toBe(1);
    expect(second.answer.kvStatus).toMatch(/^reused=\d+ slot=\d from=restored$/);
    expect(second.answer.cachedTokens).toBeGreaterThanOrEqual(promptTokens(first.answer));
    await expectFresh(second);
  });
});

describe("a server that is killed while it saves", () => {
  let large: LlamaStage;
  let freshLarge: FreshServer;
  beforeEach(async () => {
    const model = await randomModelFile(LARGER_MODEL);
    [large, freshLarge] = await Promise.all([startTinyStage({ model }), startFresh(model)]);
  });
  afterEach(async () => {
    await Promise.all([large.close(), freshLarge.close()]);
  });

  it("leaves half a file, which nobody lists and nobody restores [S3]", async () => {
    const document = DOCUMENT.slice(0, 600);
    const appeared = atNextStagedFile(large.staging, () => {
      for (const server of large.servers) server.signal("SIGSTOP");
    });
    const first = await askTurn(large, "talk", document);
    const name = await appeared;
    const saved = await stat(join(large.staging, name));
    expect(saved.size).toBeLessThan(promptTokens(first.answer) * LARGER_TOKEN_BYTES);
    const home = await large.homeOf("talk");
    await home.kill();
    for (const server of large.servers) server.signal("SIGCONT");
    await large.seenDown(home);
    const lost = 'moorline_kv_slot_saves_total{pool="default",result="lost"}';
    await until(async () => (await metric(large.moorline, lost)) === 1);

    const second = await askTurn(large, "talk", next(first));
    expect(await large.homeOf("talk")).not.toBe(home);
    expect(second.answer.kvStatus).toMatch(/^reused=0 slot=\d from=fresh why=nothing_stored$/);
    expect(await freshSeats("nothing_stored", large)).toBe(2);
    await expectFresh(second, freshLarge);
    await large.saved("talk", promptTokens(second.answer));
    expect(await large.storedFiles()).toHaveLength(1);
    const kept = 'moorline_kv_slot_saves_total{pool="default",result="kept"}';
    await until(async () => (await metric(large.moorline, kept)) > 0);
    expect(await metric(large.moorline, kept)).toBe(1);
  });
});
