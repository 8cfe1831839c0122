/** What others do in a staging folder, where engines of the same group write, and in its place. */
import { execFile } from "node:child_process";
import * as nodeFs from "node:fs/promises";
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
} from "node:fs/promises";
import { link, rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { ObjectName } from "../../../src/kv/location.ts";
import type { FileSystem } from "../../../src/kv/locations/directory-folder.ts";
import type { DirectoryLocation } from "../../../src/kv/locations/directory.ts";
import type { StagedName } from "../../../src/kv/staging.ts";
import { expectationOf, lent, patterned } from "../../support/bytes.ts";
import { faultOf, listAll, ok } from "../../support/location-results.ts";
import { createRoot, openAt } from "./roots.ts";

const staged = "save.slot" as StagedName;
const name = "123456789" as ObjectName; // in 24/26
const bytes = patterned(3_000_000);
const secret = "not for engines";
const HOUR_MS = 3_600_000;

let root: Awaited<ReturnType<typeof createRoot>>;
let outside: Awaited<ReturnType<typeof createRoot>>;
let location: DirectoryLocation;
let folder: string;
let file: string;

beforeEach(async () => {
  root = await createRoot();
  outside = await createRoot();
  await writeFile(join(outside.path, "secret"), secret);
  location = await openAt(root.path);
  folder = location.staging.path;
  file = join(folder, staged);
});
afterEach(async () => {
  await location.close();
  expect(await readdir(outside.path)).toEqual(["secret"]);
  expect(await readFile(join(outside.path, "secret"), "utf8")).toBe(secret);
  await root.remove();
  await outside.remove();
});

async function put(): Promise<void> {
  ok(await location.put(name, lent(bytes), expectationOf(bytes)));
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o7777;
}

describe("under a staged name", () => {
  const planted: Record<string, () => Promise<unknown>> = {
    "a link to a file outside": () => symlink(join(outside.path, "secret"), file),
    "a link that leads nowhere": () => symlink(join(outside.path, "absent"), file),
    "a folder": () => mkdir(file),
    "a pipe": () => promisify(execFile)("mkfifo", [file]),
  };

  it.each(Object.keys(planted))("%s is not ours, and stays", async (what) => {
    await writeFile(file, bytes);
    const examined = ok(await location.staging.examine(staged));
    await rm(file);
    await planted[what]?.();
    await put();
    const { staging } = location;
    expect(faultOf(await staging.examine(staged))).toBe("not_ours");
    expect(faultOf(await staging.adopt(staged, "new" as ObjectName, examined))).toBe("not_ours");
    expect(faultOf(await staging.remove(staged))).toBe("not_ours");
    expect(faultOf(await staging.expose(name, staged, expectationOf(bytes)))).toBe("exists");
    expect(await staging.sweep(-1e15)).toBe(0);
    expect((await lstat(file)).isFile()).toBe(false);
    expect((await listAll(location)).names).toEqual([name]);
  });
});

describe("in the place of an object", () => {
  beforeEach(async () => {
    await mkdir(join(root.path, "24", "26"), { recursive: true });
    await symlink(join(outside.path, "secret"), join(root.path, "24", "26", name));
  });

  it("a link is not lent", async () => {
    const result = await location.staging.expose(name, staged, expectationOf(Buffer.from(secret)));
    expect(faultOf(result)).toBe("not_ours");
    expect(await readdir(folder)).toEqual([]);
  });

  it("a link is not replaced by what was saved", async () => {
    await writeFile(file, bytes);
    const examined = ok(await location.staging.examine(staged));
    expect(faultOf(await location.staging.adopt(staged, name, examined))).toBe("not_ours");
    expect(await readdir(folder)).toEqual([staged]);
  });
});

describe.each(["sharded", "flat"] as const)("in the place of the staging folder, %s", (naming) => {
  let other: DirectoryLocation;
  beforeEach(async () => {
    await rm(folder, { recursive: true });
  });
  afterEach(() => other.close());

  it("a link to a folder outside is not followed, and is foreign", async () => {
    await symlink(outside.path, folder);
    other = await openAt(root.path, { naming });
    ok(await other.put(name, lent(bytes), expectationOf(bytes)));
    const { staging } = other;
    expect(faultOf(await staging.examine(staged))).toBe("not_ours");
    expect(faultOf(await staging.expose(name, staged, expectationOf(bytes)))).toBe("not_ours");
    expect(faultOf(await staging.remove(staged))).toBe("not_ours");
    expect(faultOf(await staging.sweep(0))).toBe("not_ours");
    expect((await listAll(other)).foreign).toEqual(["staging"]);
  });

  it("a folder is made again when it has gone", async () => {
    other = await openAt(root.path, { naming });
    await rm(folder, { recursive: true });
    expect(faultOf(await other.staging.examine(staged))).toBe("not_found");
    expect(await readdir(folder)).toEqual([]);
    expect((await listAll(other)).foreign).toEqual([]);
  });
});

it("an object of a flat location may have the folder's name, if it had it before", async () => {
  await rm(folder, { recursive: true });
  await writeFile(folder, "a session's");
  const flat = await openAt(root.path, { naming: "flat" });
  expect((await listAll(flat)).names).toEqual(["staging"]);
  expect(faultOf(await flat.staging.examine(staged))).toBe("not_ours");
  await flat.close();
  await rm(folder);
  const again = await openAt(root.path, { naming: "flat" });
  expect(faultOf(await again.reserve("staging" as ObjectName, 1))).toBe("exists");
  await again.close();
});

it("a root that has gone has lost nothing: each answer is `io`", async () => {
  await rename(root.path, `${root.path}-away`);
  await rm(join(`${root.path}-away`, ".moorline"));
  const { staging } = location;
  expect(faultOf(await staging.examine(staged))).toBe("io");
  expect(faultOf(await staging.expose(name, staged, expectationOf(bytes)))).toBe("io");
  expect(faultOf(await staging.remove(staged))).toBe("io");
  await rename(`${root.path}-away`, root.path);
});

describe("what changes while it is looked at", () => {
  /** A location under which something happens when a file is linked, or when one was opened. */
  async function meddled(changes: Partial<FileSystem>): Promise<DirectoryLocation> {
    return openAt(root.path, { fs: { ...nodeFs, ...changes } });
  }

  it.each([
    ["shorter", () => truncate(file, 100)],
    ["longer", () => truncate(file, bytes.length + 1)],
    ["written again", () => utimes(file, 1, 1)],
    ["another file", () => writeFile(`${file}2`, bytes).then(() => rename(`${file}2`, file))],
  ])("is not examined: %s", async (_, change) => {
    await writeFile(file, bytes);
    const changing = await meddled({
      lstat: async (path, options) => {
        await change();
        return nodeFs.lstat(path, options);
      },
    });
    expect(faultOf(await changing.staging.examine(staged))).toBe("mismatch");
    await changing.close();
  });

  it("is not examined where it is cut short under the read", async () => {
    await writeFile(file, bytes);
    const changing = await meddled({
      open: async (...args) => {
        const opened = await nodeFs.open(...args);
        if (!args[0].endsWith(staged)) return opened;
        const read = opened.read.bind(opened) as (...all: unknown[]) => Promise<unknown>;
        const cut = async (...all: unknown[]) => {
          await truncate(file, 10);
          return read(...all);
        };
        return Object.assign(opened, { read: cut });
      },
    });
    expect(faultOf(await changing.staging.examine(staged))).toBe("mismatch");
    await changing.close();
  });

  it("is neither adopted nor lent where another file takes the name at the last moment", async () => {
    await put();
    await writeFile(file, bytes);
    const swap = async (path: string): Promise<void> => {
      await writeFile(join(root.path, "other"), patterned(3_000_000, 2));
      await rename(join(root.path, "other"), path);
    };
    const swapping = await meddled({
      link: async (path, to) => {
        await swap(path);
        await nodeFs.link(path, to);
      },
    });
    const examined = ok(await swapping.staging.examine(staged));
    const adopted = await swapping.staging.adopt(staged, "new" as ObjectName, examined);
    expect(faultOf(adopted)).toBe("mismatch");
    const lending = "restore.slot" as StagedName;
    const exposed = await swapping.staging.expose(name, lending, expectationOf(bytes));
    expect(faultOf(exposed)).toBe("mismatch");
    expect(await readdir(folder)).toEqual([staged]);
    expect((await listAll(location)).names).toEqual([name]);
    await swapping.close();
  });
});

describe("sweeping", () => {
  const sweepAfter = async (ms: number): Promise<number> => {
    const later = await openAt(root.path, { nowMs: () => Date.now() + ms });
    const swept = ok(await later.staging.sweep(HOUR_MS));
    await later.close();
    return swept;
  };

  it("leaves what is younger, and takes what is older", async () => {
    await writeFile(file, bytes);
    expect(await sweepAfter(HOUR_MS - 60_000)).toBe(0);
    expect(await readdir(folder)).toEqual([staged]);
    expect(await sweepAfter(HOUR_MS + 60_000)).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it("takes an object that was lent just now for young, however old its bytes are", async () => {
    await put();
    await utimes(join(root.path, "24", "26", name), 1, 1);
    ok(await location.staging.expose(name, staged, expectationOf(bytes)));
    expect(await sweepAfter(HOUR_MS - 60_000)).toBe(0);
  });

  it("mends what a kill between the object's name and the staged one's end leaves", async () => {
    await put();
    await link(join(root.path, "24", "26", name), file);
    expect(await sweepAfter(HOUR_MS + 60_000)).toBe(1);
    expect(await readdir(folder)).toEqual([]);
    expect(ok(await location.stat(name))?.sizeBytes).toBe(bytes.length);
  });
});

describe("for engines of the same group", () => {
  it.each([
    [0o2770, 0o660, 0o2770],
    [0o750, 0o660, 0o750],
    [0o770, 0o600, 0o700],
    [0o777, 0o660, 0o770],
  ])("a root of mode %o with files of %o has a folder of %o", async (rootMode, fileMode, mode) => {
    await rm(folder, { recursive: true });
    await chmod(root.path, rootMode);
    const umask = process.umask(0o077);
    try {
      await (await openAt(root.path, { fileMode })).close();
    } finally {
      process.umask(umask);
    }
    expect(await modeOf(folder)).toBe(mode);
  });

  it("a saved file becomes an object that they can read, and others cannot", async () => {
    await writeFile(file, bytes, { mode: 0o644 });
    const examined = ok(await location.staging.examine(staged));
    ok(await location.staging.adopt(staged, name, examined));
    expect(await modeOf(join(root.path, "24", "26", name))).toBe(0o660);
  });

  it("a file whose mode we may not change keeps its own", async () => {
    await writeFile(file, bytes, { mode: 0o644 });
    const denied = async (): Promise<never> => {
      throw Object.assign(new Error("not permitted"), { code: "EPERM", syscall: "fchmod" });
    };
    const fs: FileSystem = {
      ...nodeFs,
      open: async (...args) => Object.assign(await nodeFs.open(...args), { chmod: denied }),
    };
    const foreign = await openAt(root.path, { fs });
    expect(ok(await foreign.staging.examine(staged))).toMatchObject(expectationOf(bytes));
    await foreign.close();
  });
});
