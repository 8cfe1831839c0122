import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, it } from "vitest";

import { LmdbStore } from "../../../src/kv/catalog/lmdb.ts";
import { openCatalog } from "../../../src/kv/catalog/rule-catalog.ts";
import type { Catalog } from "../../../src/kv/catalog.ts";
import type { ObjectName } from "../../../src/kv/location.ts";
import type { Fact } from "../../support/catalog-writer.ts";
import { key } from "../../support/kv-desk.ts";

const rounds = Number(process.env["CATALOG_KILLS"] ?? 10);
const writer = join(import.meta.dirname, "../../support/catalog-writer.ts");

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "moorline-crash-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Everything that the writer was answered until it was killed, which is somewhere after so many facts. */
async function killWriter(round: number, facts: number): Promise<Fact[]> {
  const child = spawn(process.execPath, [writer, folder, String(round)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const told: Fact[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    told.push(JSON.parse(line) as Fact);
    if (told.length === facts) child.kill("SIGKILL");
  }
  if (child.signalCode === null) await once(child, "exit");
  expect(child.signalCode).toBe("SIGKILL");
  return told;
}

async function expectKept(catalog: Catalog, told: readonly Fact[]): Promise<void> {
  const ending = new Set(told.map((fact) => (fact.kind === "ending" ? fact.session : "")));
  for (const fact of told) {
    if (fact.kind === "reserved") {
      const file = await catalog.file({ location: "disk", name: fact.file as ObjectName });
      expect(file?.highWaterBytes).toBeGreaterThanOrEqual(fact.to);
    } else if (fact.kind === "aborted") {
      expect(await catalog.turn(fact.turn)).toBeUndefined();
    } else if (fact.kind === "ended") {
      expect(await catalog.session(key(fact.session))).toBeUndefined();
    } else if (!ending.has(fact.session)) {
      const listed = await catalog.segments(key(fact.session));
      expect(await catalog.session(key(fact.session))).toMatchObject({ segments: listed.length });
      if (fact.kind === "durable") expect(listed.map(({ id }) => id)).toContain(fact.segment);
    }
  }
}

function expectNoRangeTwice(told: readonly Fact[]): void {
  const reserved = told.filter((fact) => fact.kind === "reserved");
  const starts = reserved.map(({ file, from }) => `${file}@${from}`);
  expect(new Set(starts).size).toBe(starts.length);
}

it(`keeps every rule that it answered, and no half of another, when it is killed ${rounds} times`, async () => {
  const told: Fact[] = [];
  for (let round = 0; round < rounds; round++) {
    told.push(...(await killWriter(round, 30 + 61 * round)));
    const catalog = await openCatalog(new LmdbStore({ path: folder, durability: "power_loss" }));
    expect(await catalog.audit()).toEqual([]);
    await expectKept(catalog, told);
    await catalog.close();
  }
  expectNoRangeTwice(told);
}, 120_000);
