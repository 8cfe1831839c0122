import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

import {
  type CatalogLock,
  lockCatalog,
  type LockOutcome,
} from "../../../src/kv/catalog/catalog-lock.ts";

let path: string;
const locks: CatalogLock[] = [];
const children: ChildProcess[] = [];

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "moorline-lock-"));
});
afterEach(async () => {
  for (const lock of locks.splice(0)) await lock.close();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(path, { recursive: true });
});

async function locked(at = path): Promise<LockOutcome> {
  const outcome = await lockCatalog({ path: at, newName: randomUUID });
  if (outcome.kind === "locked") locks.push(outcome.lock);
  return outcome;
}

/** A process that has the lock. */
async function holder(): Promise<ChildProcess> {
  const script = join(import.meta.dirname, "lock-child.ts");
  const child = spawn(process.execPath, [script, path], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  expect(said.toString()).toBe("locked\n");
  return child;
}

it("has one holder, and is free again when that closes it, which may be twice", async () => {
  const first = await locked();
  expect(await locked()).toEqual({ kind: "held", by: process.pid });
  if (first.kind === "locked") await Promise.all([first.lock.close(), first.lock.close()]);
  expect(await locked()).toMatchObject({ kind: "locked" });
  expect(await readdir(path)).toEqual(["moorline.lock.2"]);
});

it("names the process that holds it, and leaves nothing of an attempt", async () => {
  const child = await holder();
  expect(await locked()).toEqual({ kind: "held", by: child.pid });
  expect(await readdir(path)).toEqual(["moorline.lock.1"]);
});

it("is taken over from a process that was killed", async () => {
  const child = await holder();
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(await readdir(path)).toEqual(["moorline.lock.1"]);
  expect(await locked()).toMatchObject({ kind: "locked" });
  expect(await locked()).toMatchObject({ kind: "held" });
});

it("is taken over by one of many", async () => {
  const child = await holder();
  child.kill("SIGKILL");
  await once(child, "exit");
  const outcomes = await Promise.all(Array.from({ length: 16 }, () => locked()));
  expect(outcomes.filter(({ kind }) => kind === "locked")).toHaveLength(1);
  expect(await readdir(path)).toEqual(["moorline.lock.2"]);
});

it("makes its folder, however long the path to it", async () => {
  const deep = join(path, "x".repeat(100), "y".repeat(100));
  expect(await locked(deep)).toMatchObject({ kind: "locked" });
  expect(await locked(deep)).toMatchObject({ kind: "held" });
});

it("does not take what is no lock for one", async () => {
  await writeFile(join(path, "moorline.lock.3"), "");
  expect(await locked()).toMatchObject({ kind: "locked" });
});
