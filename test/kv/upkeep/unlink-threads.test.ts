import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";

import { KEEPER_LIMITS } from "../../../src/compose-upkeep.ts";
import type { FileSystem } from "../../../src/kv/locations/directory-folder.ts";
import { until } from "../../support/until.ts";
import { Benches, CATALOGS } from "../turns/catalogs.ts";
import { end, KEEPER_POLICY, KeeperStand } from "./keeper-stand.ts";

const FILES = 8;
const [MEMORY] = CATALOGS;

/** A disk whose unlinks hang, each in a thread of Node's pool, as a pipe does that nobody writes to. */
class HungUnlinks {
  hung = 0;
  #pipe: string | undefined;
  readonly fs: FileSystem = { ...fs, unlink: (path) => this.#unlink(String(path)) };

  hang(pipe: string): void {
    execFileSync("mkfifo", [pipe]);
    this.#pipe = pipe;
  }

  async release(): Promise<void> {
    const pipe = this.#pipe;
    this.#pipe = undefined;
    if (pipe === undefined) return;
    const writer = await fs.open(pipe, constants.O_RDWR);
    await until(async () => this.hung === 0);
    await writer.close();
  }

  async #unlink(path: string): Promise<void> {
    if (this.#pipe !== undefined) {
      this.hung++;
      await (await fs.open(this.#pipe, constants.O_RDONLY)).close();
      this.hung--;
    }
    await fs.unlink(path);
  }
}

const benches = new Benches(MEMORY);
const disk = new HungUnlinks();
let stand: KeeperStand | undefined;
let passing: Promise<void> | undefined;
afterEach(async () => {
  await disk.release();
  await passing;
  await stand?.keeper.close();
  expect(await benches.close()).toEqual([]);
});

it("leaves turns threads to work with files while all unlinks that may be under way hang", async () => {
  const bench = await benches.open({ fs: disk.fs });
  for (let at = 0; at < FILES; at++) {
    await bench.create(`s${at}`);
    await bench.turn(`s${at}`, "one ", "two ");
    await end(bench, `s${at}`);
  }
  disk.hang(join(bench.root, "pipe"));
  stand = new KeeperStand(bench, { unlinksAtOnce: KEEPER_LIMITS.unlinksAtOnce });
  passing = stand.passAfter(KEEPER_POLICY.quarantineMs);
  await until(async () => disk.hung === KEEPER_LIMITS.unlinksAtOnce);

  await bench.create("a");
  expect(await bench.turn("a", "one ", "two ")).toBeDefined();
  expect(disk.hung).toBe(KEEPER_LIMITS.unlinksAtOnce);
});
