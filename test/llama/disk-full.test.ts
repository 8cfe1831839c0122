/** A location on a disk that is full: a small one in memory, which takes Linux and root. */
import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { createFolder, removeFolder } from "../../demo/stack/folder.ts";
import {
  askSavedTurn,
  askTurn,
  DOCUMENT,
  next,
  promptTokens,
  startFresh,
  startTinyStage,
} from "../support/llama.ts";
import { metric } from "../support/moorline-view.ts";
import { until } from "../support/until.ts";

const MIB = 2 ** 20;
/** Of the file that leaves no room for what a turn would save. */
const BALLAST = "ballast";
const run = promisify(execFile);

/** Unmounted when the test is over. */
async function mountSmallDisk(sizeBytes: number): Promise<string> {
  const folder = await createFolder("moorline-disk-");
  await run("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes}`, "moorline-test", folder]);
  onTestFinished(async () => {
    await run("umount", ["--lazy", folder]);
    await removeFolder(folder);
  });
  return folder;
}

it("answers all turns while the disk is full, and saves again once it is not [S3]", async () => {
  const fresh = await startFresh();
  onTestFinished(() => fresh.close());
  const root = await mountSmallDisk(8 * MIB);
  const stage = await startTinyStage({ root });
  onTestFinished(() => stage.close());
  const expectFresh = async ({ prompt, answer }: Awaited<ReturnType<typeof askTurn>>) =>
    expect(await fresh.compare(prompt, answer.text)).toMatchObject({ isSame: true });

  await writeFile(join(root, BALLAST), Buffer.alloc(8 * MIB - 64 * 1024));
  const first = await askTurn(stage, "talk", DOCUMENT);
  await expectFresh(first);
  const second = await askTurn(stage, "talk", next(first));
  expect(second.answer.kvStatus).toContain("from=resident");
  await expectFresh(second);
  const refused = 'moorline_kv_slot_saves_total{pool="default",result="refused"}';
  await until(async () => (await metric(stage.moorline, refused)) > 0);
  expect((await stage.storedFiles()).filter((path) => !path.endsWith(BALLAST))).toEqual([]);

  await rm(join(root, BALLAST));
  const third = await askSavedTurn(stage, "talk", next(second));
  const home = await stage.homeOf("talk");
  await home.kill();
  await stage.seenDown(home);
  const fourth = await askTurn(stage, "talk", next(third));
  expect(fourth.answer.cachedTokens).toBeGreaterThanOrEqual(promptTokens(third.answer));
  await expectFresh(fourth);
});
